"""mermaid itself draws every diagram: what it cannot parse, a reader would see as source."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.content.reading import CONTENT, ROOT, Source, sources

pytestmark = pytest.mark.browser
_MERMAID = ROOT / "platform/lastmile/assets/node_modules/mermaid/dist/mermaid.min.js"
_DRAW = """async ([name, source]) => {
    try { return (await mermaid.render(name, source)).svg } catch (error) { return "error: " + error }
}"""


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page that has mermaid."""
    page = chromium.new_page()
    page.set_content("<!doctype html><title>diagrams</title>")
    page.add_script_tag(path=_MERMAID)
    page.evaluate("mermaid.initialize({startOnLoad: false})")
    yield page
    page.close()


def test_mermaid_refuses_what_is_no_diagram(page: Page) -> None:
    assert page.evaluate(_DRAW, ["wrong", "flowchart TD\n  a[open --> b"]).startswith("error:")


@pytest.mark.parametrize("chapter", sources(), ids=lambda s: str(s.path.relative_to(CONTENT)))
def test_mermaid_draws_the_diagrams(page: Page, chapter: Source) -> None:
    diagrams = [fence.text for fence in chapter.fences if fence.language == "mermaid"]
    assert diagrams
    for number, diagram in enumerate(diagrams):
        drawn = page.evaluate(_DRAW, [f"d{number}", diagram])
        assert drawn.startswith("<svg"), drawn
