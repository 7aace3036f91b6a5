"""The chapter page: diagrams, terms, questions, themes, and the place where one stopped."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(600)]
CHAPTER = "/chapters/operators/reconcile/"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_diagrams_are_drawn_in_the_theme(visit: Visit, theme: str) -> None:
    reader = visit("", "en", theme)
    reader.open(CHAPTER)
    figures = reader.page.locator("[data-diagram]")
    assert figures.count() > 0
    expect(reader.page.locator("[data-diagram][data-drawn]")).to_have_count(figures.count(), timeout=30_000)
    colour = figures.first.locator("svg .node rect, svg .node path").first.evaluate(
        "n => getComputedStyle(n).fill"
    )
    red = int(colour.removeprefix("rgb(").split(",")[0])
    assert red > 128 if theme == "light" else red < 128


OVERFLOWING = """() => [...document.querySelectorAll('.diagram-picture')]
  .flatMap(picture => [...picture.shadowRoot.querySelectorAll('foreignObject')])
  .filter(label => {
    const scale = label.getBoundingClientRect().width / Math.max(1, label.width.baseVal.value);
    const text = document.createRange();
    text.selectNodeContents(label);
    return text.getBoundingClientRect().width / scale > label.width.baseVal.value + 0.5;
  })
  .map(label => label.textContent)"""


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_label_of_a_diagram_fits_its_box(visit: Visit, language: str) -> None:
    """They are measured in a frame of their own, which must not have other fonts or rules."""
    reader = visit("", language)
    for chapter in ("operators/conditions", "tracers/lifecycle", "tracers/mesh-probe"):
        reader.open(f"/chapters/{chapter}/")
        expect(reader.page.locator("[data-diagram]:not([data-drawn])")).to_have_count(0, timeout=30_000)
        assert reader.page.evaluate(OVERFLOWING) == [], chapter


def test_the_theme_is_kept(visit: Visit) -> None:
    reader = visit("", "en", "light")
    reader.open("/")
    paper = reader.page.locator("html").evaluate("n => getComputedStyle(n).backgroundColor")
    reader.page.click("[data-theme-switch]")
    dark = reader.page.locator("html").evaluate("n => getComputedStyle(n).backgroundColor")
    assert dark != paper
    reader.open(CHAPTER)
    assert reader.page.locator("html").evaluate("n => getComputedStyle(n).backgroundColor") == dark


def test_the_theme_follows_the_system_until_one_is_chosen(visit: Visit) -> None:
    reader = visit("", "en", "dark")
    page = reader.page
    reader.open("/")
    switch = page.locator("[data-theme-switch]")
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(switch.locator(".for-dark")).to_be_visible()
    page.emulate_media(color_scheme="light")
    expect(switch).to_have_attribute("aria-pressed", "false")
    expect(switch.locator(".for-light")).to_be_visible()
    expect(page.locator("html[data-theme]")).to_have_count(0)
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    page.emulate_media(color_scheme="dark")
    page.emulate_media(color_scheme="light")
    expect(switch).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize(
    ("language", "pause", "go_on"), [("en", "Pause", "Go on"), ("zh", "暂停", "继续播放")]
)
def test_the_recorded_run_can_be_paused(visit: Visit, language: str, pause: str, go_on: str) -> None:
    stranger = visit("", language)
    page = stranger.page
    stranger.open("/")
    expect(page.locator("[data-again]")).to_be_visible()  # who wants little motion sees the end of it at once
    expect(page.locator("[data-pause]")).to_be_hidden()
    page.emulate_media(reduced_motion="no-preference")
    stranger.open("/")
    page.get_by_role("button", name=pause, exact=True).click()
    clock = page.locator("[data-clock]")
    stood = clock.inner_text()
    page.wait_for_timeout(500)
    assert clock.inner_text() == stood
    page.get_by_role("button", name=go_on, exact=True).press("Enter")
    expect(clock).not_to_have_text(stood)
    expect(page.get_by_role("button", name=pause, exact=True)).to_be_focused()


def test_a_term_shows_its_card_on_focus_and_lets_it_go(visit: Visit) -> None:
    reader = visit("", "zh")
    reader.open(CHAPTER)
    term = reader.page.locator(".prose a.term").first
    expect(reader.page.locator("html:not(.no-js)")).to_be_attached()
    reader.page.locator(".toc-fold ol").wait_for()
    card = reader.page.locator("#term-card")
    term.focus()
    expect(card).to_be_visible()
    term.blur()
    expect(card).to_have_count(0)
    term.hover()
    expect(card).to_be_visible()
    assert term.get_attribute("aria-describedby") == "term-card"
    reader.page.keyboard.press("Escape")
    expect(card).to_have_count(0)


def test_a_question_answers(visit: Visit) -> None:
    reader = visit("", "en")
    reader.open(CHAPTER)
    question = reader.page.locator("[data-question]", has=reader.page.locator("form[data-live]")).first
    wrong = question.locator('[data-right="no"] input').first
    wrong.check()
    question.locator("button[type=submit]").click()
    expect(question).to_have_attribute("data-answered", "wrong")
    expect(reader.page.locator("#live")).to_have_text("Think again")
    if wrong.get_attribute("type") == "checkbox":
        wrong.uncheck()
    for right in question.locator('[data-right="yes"] input').all():
        right.check()
    question.locator("button[type=submit]").click()
    expect(question).to_have_attribute("data-answered", "right")
    expect(question.locator("details")).to_have_attribute("open", "")


def test_the_place_where_one_stopped_is_offered(visit: Visit) -> None:
    reader = visit("learner", "en")
    page = reader.page
    reader.open(CHAPTER)
    page.locator(".toc-fold ol").wait_for()
    with page.expect_response(lambda answer: answer.url.endswith("/position") and answer.status == 204):
        page.locator("#children").evaluate("node => node.scrollIntoView()")
    expect(page.locator('.chapter-toc a[href="#children"]')).to_have_attribute("aria-current", "location")
    reader.open("/")
    expect(page.locator(".resume-card a")).to_have_attribute("href", f"{CHAPTER}#children")
    reader.open(CHAPTER)
    expect(page.locator("[data-resume]")).to_be_visible()


def test_code_is_copied(visit: Visit) -> None:
    reader = visit("", "en")
    reader.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reader.open(CHAPTER)
    figure = reader.page.locator("figure.code").first
    expect(reader.page.locator("html:not(.no-js)")).to_be_attached()
    figure.locator("[data-copy]").click()
    expect(figure.locator("[data-copy]")).to_have_text("Copied")
    assert reader.page.evaluate("navigator.clipboard.readText()") == figure.locator("pre").text_content()
