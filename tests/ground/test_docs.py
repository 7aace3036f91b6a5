"""Documentation that fails the build: what a reader may set or call has its heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")


def _headings(page: Path) -> set[str]:
    return {match.strip("` ") for match in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


def _sources(checkout: Path) -> list[Path]:
    """Everything of ours that runs, without its tests."""
    found = [checkout / "Makefile", checkout / "compose.yaml"]
    for top in ("platform", "labs", "sandboxes"):
        found += [path for path in (checkout / top).rglob("*.py") if "node_modules" not in path.parts]
    return found


def test_every_verb_of_the_makefile_has_its_heading(checkout: Path) -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (checkout / "Makefile").read_text(), re.MULTILINE)
    assert phony
    verbs = {f"make {verb}" for verb in phony.group(1).split()}
    assert verbs - _headings(checkout / "docs/reference/makefile.md") == set()


def test_every_setting_has_its_heading(checkout: Path) -> None:
    used: set[str] = set()
    for path in _sources(checkout):
        used |= set(re.findall(r"\bLASTMILE_[A-Z0-9_]+\b", path.read_text()))
        used |= set(re.findall(r"\b(?:DATABASE|REDIS)_URL\b", path.read_text()))
    assert used
    assert used - _headings(checkout / "docs/reference/settings.md") == set()


def test_every_management_command_has_its_heading(checkout: Path) -> None:
    files = (checkout / "platform/lastmile").glob("*/management/commands/*.py")
    commands = {f"manage.py {path.stem}" for path in files if path.stem != "__init__"}
    assert commands - _headings(checkout / "docs/reference/commands.md") == set()


def test_the_docs_that_the_code_speaks_of_exist(checkout: Path) -> None:
    spoken = {
        page
        for path in _sources(checkout)
        for page in re.findall(r"\bdocs/[a-z]+/[a-z0-9-]+\.md\b", path.read_text())
    }
    assert {page for page in spoken if not (checkout / page).exists()} == set()


def test_every_page_is_in_the_index(checkout: Path) -> None:
    docs = checkout / "docs"
    linked = set(LINK.findall((docs / "README.md").read_text()))
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")} - {"README.md"}
    assert pages - linked == set()


def test_links_between_pages_lead_somewhere(checkout: Path) -> None:
    pages = [*(checkout / "docs").rglob("*.md"), *checkout.glob("*.md")]
    broken = [
        f"{page.relative_to(checkout)} → {target}"
        for page in pages
        for target in LINK.findall(page.read_text())
        if not re.match("[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_only_verbs_that_exist(checkout: Path, name: str) -> None:
    verbs = set(re.findall(r"^([a-z]+):", (checkout / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", (checkout / name).read_text()))
    assert {"up", "test", "check"} <= named <= verbs
