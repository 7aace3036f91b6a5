"""Texts of labs on pages."""

from __future__ import annotations

import pytest

from lastmile.practice import catalog, texts


@pytest.mark.parametrize(
    ("markdown", "sentence"),
    [
        (
            "# Title\n\nWrite a `tracer` for\nGo 1.26 programs. It is graded.\n",
            "Write a tracer for Go 1.26 programs.",
        ),
        ("# 标题\n\n写一个 `Operator`。评测是真的。\n", "写一个 Operator。"),
        ("# Title\n\nNo end\n\nNext.", "No end"),
        ("# Only a title\n", ""),
        ("", ""),
    ],
)
def test_it_works(markdown: str, sentence: str) -> None:
    assert texts.first_sentence(markdown) == sentence


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_lab_introduces_itself(language: str) -> None:
    for lab in catalog.everything():
        said = texts.first_sentence(catalog.text(lab, "brief", language))
        assert 5 < len(said) < 160, lab.slug
