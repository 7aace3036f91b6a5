"""Code blocks: attributes, and text that comes from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastmile.course import code
from lastmile.course.content import BadContent

GO = """package main

// A says a.
func A() int {
	return 1
}

// B is a type.
type B struct {
	x int
}

func (b *B) A() int {
	// region inner
	return 2
	// endregion inner
}

const C = 3
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "labs" / "operators" / "database" / "solution"
    folder.mkdir(parents=True)
    (folder / "main.go").write_text(GO)
    return tmp_path


def test_it_works(root: Path) -> None:
    block = code.block("go {file=labs/operators/database/solution/main.go decl=A}", "", root)
    assert block.text == "// A says a.\nfunc A() int {\n\treturn 1\n}\n"
    assert (block.name, block.lab, block.lab_file) == ("main.go", "operators/database", "main.go")


@pytest.mark.parametrize(
    ("attribute", "first", "last"),
    [
        ("decl=B", "// B is a type.", "}"),
        ("decl=B.A", "func (b *B) A() int {", "}"),
        ("decl=C", "const C = 3", "const C = 3"),
        ("region=inner", "return 2", "return 2"),
        ("lines=1-3", "package main", "// A says a."),
    ],
)
def test_a_part_of_a_file(root: Path, attribute: str, first: str, last: str) -> None:
    lines = code.block(
        f"go {{file=labs/operators/database/solution/main.go {attribute}}}", "", root
    ).text.splitlines()
    assert (lines[0], lines[-1]) == (first, last)


@pytest.mark.parametrize(
    "info",
    [
        "go {file=labs/operators/database/solution/gone.go}",
        "go {file=labs/operators/database/solution/main.go decl=Gone}",
        "go {file=labs/operators/database/solution/main.go region=gone}",
        "go {file=../outside.go}",
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(root: Path, info: str) -> None:
    (root.parent / "outside.go").write_text("package x\n")
    with pytest.raises(BadContent):
        code.block(info, "", root)


def test_written_code_keeps_its_text_and_name(root: Path) -> None:
    block = code.block("yaml {title=database.yaml mark=2}", "a: 1\nb: 2\n", root)
    assert (block.language, block.name, block.text, block.mark) == (
        "yaml",
        "database.yaml",
        "a: 1\nb: 2\n",
        {2},
    )


def test_colours_escape_what_they_colour() -> None:
    html = code.coloured('x := "<b>" // &', "go")
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert '<span class="hll">' in code.coloured("a\nb\n", "go", frozenset({2}))
