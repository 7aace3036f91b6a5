"""The lab page with the keyboard, its panes and its starter."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import workbench
from tests.browser.visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(600)]


def test_it_goes_back_to_the_starter_only_when_asked_twice(visit: Visit) -> None:
    learner = visit("classmate", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    workbench.write(page, "controller.go", "package main\n\n// gone soon\n")
    page.click("[data-reset]")
    page.click("#reset-dialog button[value=no]")
    expect(page.locator(".cm-content")).to_contain_text("// gone soon")
    page.click("[data-reset]")
    page.click("#reset-dialog button[value=file]")
    expect(page.locator(".cm-content")).not_to_contain_text("// gone soon")
    expect(page.locator("[data-saved]")).to_have_attribute("data-saved", "yes", timeout=15_000)


def test_the_keyboard_gets_in_and_out_of_the_editor(visit: Visit) -> None:
    learner = visit("learner", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    page.wait_for_selector(".cm-content")
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.locator(".file-tabs [aria-selected=true]").focus()
    opened = page.locator(".file-tabs [aria-selected=true]").get_attribute("data-path")
    page.keyboard.press("ArrowRight")
    assert page.locator(".file-tabs [aria-selected=true]").get_attribute("data-path") != opened
    page.locator(".cm-content").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator(".cm-content")).not_to_be_focused()


def test_panes_can_be_resized_and_folded_with_the_keyboard(visit: Visit) -> None:
    learner = visit("learner", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    splitter = page.locator('[data-splitter="left"]')
    pane = page.locator("#pane-left")
    before = pane.evaluate("node => node.clientWidth")
    splitter.press("ArrowRight")
    assert pane.evaluate("node => node.clientWidth") > before
    splitter.press("Enter")
    assert pane.evaluate("node => node.clientWidth") == 0
    page.reload()
    expect(page.locator('[data-fold="left"]')).to_have_attribute("aria-expanded", "false")
    splitter.press("Enter")
    expect(page.locator('[data-fold="left"]')).to_have_attribute("aria-expanded", "true")
    assert pane.evaluate("node => node.clientWidth") > before


@pytest.mark.parametrize(("language", "unfold"), [("en", "Unfold the brief"), ("zh", "展开任务书")])
def test_a_folded_pane_has_a_button_that_brings_it_back(visit: Visit, language: str, unfold: str) -> None:
    learner = visit("learner", language, width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    button = page.get_by_role("button", name=unfold)
    expect(button).to_be_hidden()
    page.locator('[data-fold="left"]').press("Enter")
    expect(button).to_be_focused()
    expect(page.locator('[data-splitter="left"]')).to_have_attribute("aria-valuenow", "0")
    button.press("Enter")
    expect(page.locator('[data-fold="left"]')).to_be_focused()
    expect(page.locator("#panel-brief")).to_be_visible()
    expect(button).to_be_hidden()


def test_on_a_narrow_screen_one_pane_shows_at_a_time(visit: Visit) -> None:
    learner = visit("learner", "en", width=360)
    page = learner.page
    learner.open(workbench.LAB)
    expect(page.locator("#pane-left")).to_be_visible()
    page.click("#view-middle")
    expect(page.locator("#pane-left")).to_be_hidden()
    expect(page.locator(".cm-content")).to_be_visible()
    page.click("#view-right")
    expect(page.locator("[data-log]")).to_be_visible()
    assert learner.scroll_width() <= 360
