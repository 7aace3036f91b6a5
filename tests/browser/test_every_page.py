"""What holds on every page: WCAG 2.2 AA in both languages and themes, no sideways scrolling, no error."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.visiting import Visit, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(600)]

OF_A_STRANGER = ["/", "/accounts/sign-in/", "/chapters/", "/chapters/operators/reconcile/", "/labs/"]
OF_A_LEARNER = ["/", "/labs/operators/database/", "/skills/", "/accounts/tokens/", "/accounts/password/"]
OF_AN_INSTRUCTOR = ["/class/demo/", "/class/demo/?view=checks", "/class/demo/?projector=1"]
PAGES = [
    *(("", path) for path in OF_A_STRANGER),
    *(("learner", path) for path in OF_A_LEARNER),
    *(("teacher", path) for path in OF_AN_INSTRUCTOR),
]
# Names, commands and English terms of the trade stand on Chinese pages; a sentence of such words does not.
SENTENCE = re.compile(r"\b[A-Z][a-z]+(?: [a-z']+){3,}[.:?]")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def settle(visitor: Visitor) -> None:
    """The page's scripts have done their first work."""
    page = visitor.page
    page.wait_for_load_state("load")
    page.locator("html:not(.no-js)").wait_for(state="attached")
    if page.locator("[data-bench]").count():
        page.wait_for_selector(".cm-content", state="attached")
    expect(page.locator("[data-diagram]:not([data-drawn])")).to_have_count(0, timeout=20_000)


def violations(visitor: Visitor, axe: str) -> list[str]:
    visitor.page.evaluate(axe)
    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found: dict[str, Any] = visitor.page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", ["", "learner", "teacher"])
def test_it_works_for_everybody(visit: Visit, axe: str, name: str, language: str) -> None:
    """In the light, and when it gets dark while the page is open."""
    visitor = visit(name, language)
    found: dict[tuple[str, str], list[str]] = {}
    for path in [path for who, path in PAGES if who == name]:
        visitor.page.emulate_media(color_scheme="light")
        visitor.open(path)
        for theme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=theme)
            settle(visitor)
            if wrong := violations(visitor, axe):
                found[path, theme] = wrong
    assert found == {}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", ["", "learner", "teacher"])
def test_nothing_scrolls_sideways_at_360_pixels(visit: Visit, name: str, language: str) -> None:
    visitor = visit(name, language, width=360)
    for path in [path for who, path in PAGES if who == name]:
        visitor.open(path)
        settle(visitor)
        assert visitor.scroll_width() <= 360, path


@pytest.mark.parametrize("name", ["", "learner", "teacher"])
def test_a_chinese_page_says_nothing_in_english(visit: Visit, name: str) -> None:
    visitor = visit(name, "zh")
    for path in [path for who, path in PAGES if who == name]:
        visitor.open(path)
        settle(visitor)
        text = visitor.page.evaluate(
            """() => {
              const page = document.body.cloneNode(true);
              page.querySelectorAll('pre, code, script, [lang=en], .editor').forEach(node => node.remove());
              return page.textContent;
            }"""
        )
        assert SENTENCE.findall(text) == [], path
        assert visitor.page.evaluate("document.documentElement.lang") == "zh-Hans"


def test_a_page_that_is_not_there_says_so_kindly(visit: Visit, axe: str) -> None:
    visitor = visit("learner", "en")
    answer = visitor.page.goto(f"{visitor.base}/nowhere/")
    assert answer is not None
    assert answer.status == 404
    assert "Nothing of your work is lost." in visitor.page.inner_text("main")
    assert violations(visitor, axe) == []
    visitor.errors.clear()  # Chromium notes the 404 itself


def test_every_page_has_one_first_heading_and_its_landmarks(visit: Visit) -> None:
    visitor = visit("learner", "en")
    for path in OF_A_LEARNER:
        visitor.open(path)
        settle(visitor)
        for landmark in ("header.site-header", "nav.site-nav", "main#main"):
            assert visitor.page.locator(landmark).count() == 1, path
        assert visitor.page.locator("h1").count() >= 1, path
