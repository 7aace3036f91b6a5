"""The skill matrix is whole and leads somewhere; the glossary speaks both languages."""

from __future__ import annotations

import itertools
import tomllib
from typing import Any

import pytest

from lastmile.course import content
from tests.content.reading import CONTENT, ROOT, slugs, source


@pytest.fixture(scope="module")
def matrix() -> dict[str, Any]:
    return tomllib.loads((CONTENT / "skills.toml").read_text(encoding="utf-8"))


def test_the_matrix_has_nine_cells(matrix: dict[str, Any]) -> None:
    levels = [row["id"] for row in matrix["levels"]]
    dimensions = [row["id"] for row in matrix["dimensions"]]
    assert levels == ["junior", "senior", "architect"]
    assert dimensions == ["language", "engineering", "domain"]
    wanted = {f"{d}.{v}" for d, v in itertools.product(dimensions, levels)}
    assert {cell["id"] for cell in matrix["cells"]} == wanted
    assert len(matrix["cells"]) == 9


def test_a_cell_says_what_how_shown_and_what_next(matrix: dict[str, Any]) -> None:
    for cell in matrix["cells"]:
        for key in ("title", "can", "shown", "next", "ask"):
            text = content.text_of(cell[key], f"{cell['id']}, {key}")
            assert text.zh != text.en


def test_a_cell_leads_to_labs_and_chapters_that_exist(matrix: dict[str, Any]) -> None:
    for cell in matrix["cells"]:
        assert cell["chapters"]
        assert set(cell["chapters"]) <= set(slugs())
        for lab in cell["labs"]:
            manifest = tomllib.loads((ROOT / "labs" / lab / "lab.toml").read_text(encoding="utf-8"))
            assert cell["id"] in manifest["skills"], f"{lab} gives no evidence for {cell['id']}"


def test_what_a_lab_gives_evidence_for_lists_the_lab(matrix: dict[str, Any]) -> None:
    cells = {cell["id"]: cell for cell in matrix["cells"]}
    for path in ROOT.glob("labs/*/*/lab.toml"):
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        for skill in manifest["skills"]:
            assert manifest["slug"] in cells[skill]["labs"], f"{manifest['slug']}: {skill}"


def test_the_glossary_has_its_terms_in_both_languages() -> None:
    terms = content.terms()
    assert len(terms) >= 50
    for term in terms.values():
        assert term.text.zh != term.text.en
        assert term.text.zh.endswith("。"), term.id
        assert term.text.en.endswith((".", ")")), term.id


def test_a_term_is_marked_once_in_a_chapter() -> None:
    for slug in slugs():
        for language in ("zh", "en"):
            marked = [
                part.split("]]")[0].split("|")[0] for part in source(slug, language).prose.split("[[")[1:]
            ]
            assert len(marked) == len(set(marked)), f"{language}/{slug}"
