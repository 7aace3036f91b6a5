"""What is written on the lab page and not handed in: kept on the server, by one window or by two."""

from __future__ import annotations

import pytest
from playwright.sync_api import Dialog, Page, Route, expect

from tests.browser import workbench
from tests.browser.visiting import Visit, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(600)]


def test_a_draft_is_kept_on_the_server(visit: Visit) -> None:
    one = visit("classmate", "en", width=1440)
    one.open(workbench.LAB)
    workbench.write(one.page, "notes.go", "package main\n\n// kept\n")
    expect(one.page.locator("[data-saved]")).to_contain_text("Draft saved")
    workbench.write(one.page, "extra.go", "package main\n\n// mine\n")
    expect(one.page.locator("[data-saved]")).to_have_attribute("data-saved", "yes", timeout=15_000)

    other = visit("classmate", "en", width=1440)
    other.open(workbench.LAB)
    other.page.locator('[data-path="notes.go"]').click()
    expect(other.page.locator(".cm-content")).to_contain_text("// kept")
    other.page.locator('[data-path="extra.go"]').click()
    expect(other.page.locator(".cm-content")).to_contain_text("// mine")
    other.page.click("[data-delete]")
    other.page.click("#delete-dialog button[value=yes]")
    expect(other.page.locator('[data-path="extra.go"]')).to_have_count(0)
    expect(other.page.locator("[data-saved]")).to_have_attribute("data-saved", "yes", timeout=15_000)

    # the first window notices, and asks which to go on with
    workbench.write(one.page, "notes.go", "package main\n\n// later\n")
    expect(one.page.locator("#draft-dialog")).to_be_visible(timeout=15_000)
    one.page.click("#draft-dialog button[value=theirs]")
    expect(one.page.locator(".cm-content")).to_contain_text("// kept")
    expect(one.page.locator('[data-path="extra.go"]')).to_have_count(0)
    expect(one.page.locator("[data-saved]")).to_have_attribute("data-saved", "yes")
    one.errors.clear()  # Chromium notes the 409 itself


def test_leaving_the_question_of_two_drafts_overwrites_neither(visit: Visit) -> None:
    one, other = (visit("classmate", "en", width=1440) for _ in range(2))
    one.open(workbench.LAB)
    other.open(workbench.LAB)
    workbench.write(other.page, "notes.go", "package main\n\n// the other window's\n")
    saved = one.page.locator("[data-saved]")
    expect(other.page.locator("[data-saved]")).to_have_attribute("data-saved", "yes", timeout=15_000)
    dialog = one.page.locator("#draft-dialog")
    workbench.write(one.page, "notes.go", "package main\n\n// this window's\n")
    expect(dialog).to_be_visible(timeout=15_000)
    expect(one.page.locator("#draft-title")).to_be_focused()
    one.page.keyboard.press("Enter")  # meant for the code, it chooses nothing
    expect(dialog).to_be_visible()
    one.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(saved).to_contain_text("you have not chosen yet")
    expect(one.page.locator("#live")).to_contain_text("you have not chosen yet")
    one.page.wait_for_timeout(2000)  # as long as a save would take to begin
    other.page.reload()
    other.page.locator('[data-path="notes.go"]').click()
    expect(other.page.locator(".cm-content")).to_contain_text("// the other window's")

    one.page.locator(".cm-content").click()
    one.page.keyboard.type("// more")
    is_asked_when_leaving(one.page)
    expect(dialog).to_be_visible(timeout=15_000)
    one.page.click("#draft-dialog button[value=mine]")
    expect(saved).to_have_attribute("data-saved", "yes", timeout=15_000)
    other.page.reload()
    other.page.locator('[data-path="notes.go"]').click()
    expect(other.page.locator(".cm-content")).to_contain_text("// this window's")
    one.errors.clear()  # Chromium notes the 409 itself


def test_a_save_of_its_own_whose_answer_was_lost_is_no_other_window(visit: Visit) -> None:
    learner = visit("classmate", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    saved = page.locator("[data-saved]")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/draft", lose, times=1)
    workbench.write(page, "notes.go", "package main\n\n// stored, not answered\n")
    expect(saved).to_have_attribute("data-saved", "failed", timeout=15_000)
    workbench.write(page, "notes.go", "package main\n\n// later\n")
    expect(saved).to_have_attribute("data-saved", "yes", timeout=15_000)
    expect(page.locator("#draft-dialog")).to_be_hidden()
    learner.errors.clear()  # Chromium notes the lost answer and the 409 itself


def test_what_was_typed_right_before_a_reload_is_there(visit: Visit) -> None:
    learner = visit("classmate", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    for round_ in ("first", "second"):
        workbench.write(page, "notes.go", f"package main\n\n// {round_}\n")
        page.reload()
        page.locator('[data-path="notes.go"]').click()
        expect(page.locator(".cm-content")).to_contain_text(f"// {round_}")
        workbench.write(page, "notes.go", f"package main\n\n// after the {round_}\n")
        expect(page.locator("[data-saved]")).to_have_attribute("data-saved", "yes", timeout=15_000)
        expect(page.locator("#draft-dialog")).to_be_hidden()
    learner.errors.clear()  # Chromium may note a 409 that the page settles by itself


def test_leaving_asks_while_a_save_has_not_come_back(visit: Visit) -> None:
    learner = visit("classmate", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    held: list[Route] = []
    page.route("**/draft", lambda route: held.append(route))
    workbench.write(page, "notes.go", "package main\n\n// on its way\n")
    workbench.until(page, lambda: bool(held))
    page.locator(".cm-content").click()
    page.keyboard.type("// and more")
    is_asked_when_leaving(page)
    page.unroute("**/draft")  # lets go what is held
    expect(page.locator("[data-saved]")).to_have_attribute("data-saved", "yes", timeout=15_000)


def is_asked_when_leaving(page: Page) -> None:
    """And stays."""
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.evaluate("setTimeout(() => (location.href = '/'))")
    workbench.until(page, lambda: asked == ["beforeunload"])


@pytest.mark.parametrize(
    ("language", "refusal", "reason"),
    [
        ("en", "This lab does not take such a file", "notes.txt: this file cannot be changed"),
        ("zh", "这个实验不收这样的文件", "notes.txt：这个文件不能修改"),
    ],
)
def test_a_file_that_the_lab_does_not_take_is_refused_in_words(
    visit: Visit, language: str, refusal: str, reason: str
) -> None:
    learner = visit("classmate", language, width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    page.click("[data-add]")
    page.fill("#add-name", "notes.txt")
    page.press("#add-name", "Enter")
    expect(page.locator("#add-error")).to_contain_text(refusal)
    expect(page.locator("#add-dialog")).to_be_visible()
    page.fill("#add-name", "more.go")
    expect(page.locator("#add-error")).to_be_hidden()
    page.press("#add-name", "Enter")
    expect(page.locator('[data-path="more.go"]')).to_have_attribute("aria-selected", "true")

    # should the server refuse one all the same, the page says which and why
    def refuse(route: Route) -> None:
        problem = {
            "file": "notes.txt",
            "line": 0,
            "text": reason.split("：" if language == "zh" else ": ")[1],
        }
        said = {"code": "bad_draft", "text": "…", "problems": [problem]}
        route.fulfill(status=400, json=said)

    page.route("**/draft", refuse)
    workbench.write(page, "more.go", "package main\n\n// refused\n")
    expect(page.locator("[data-saved]")).to_contain_text(reason, timeout=15_000)
    expect(page.locator("#live")).to_contain_text(reason)
    learner.errors.clear()  # Chromium notes the 400 itself


def test_what_was_written_after_the_session_ended_is_kept_once_one_signs_in_again(visit: Visit) -> None:
    learner = visit("classmate", "en", width=1440)
    learner.open(workbench.LAB)
    Visitor(learner.context, learner.context.new_page(), learner.base).sign_out()
    workbench.write(learner.page, "notes.go", "package main\n\n// signed out\n")
    saved = learner.page.locator("[data-saved]")
    expect(saved).to_contain_text("You are signed out", timeout=15_000)
    with learner.context.expect_page() as opened:
        saved.get_by_role("link", name="Sign in again").click()
    other = Visitor(learner.context, opened.value, learner.base)

    other.sign_in("learner")
    expect(saved).to_contain_text("Another account is signed in", timeout=15_000)
    other.sign_out()
    other.sign_in("classmate")
    expect(saved).to_have_attribute("data-saved", "yes", timeout=15_000)
    again = visit("classmate", "en", width=1440)
    again.open(workbench.LAB)
    again.page.locator('[data-path="notes.go"]').click()
    expect(again.page.locator(".cm-content")).to_contain_text("// signed out")
    learner.errors.clear()  # Chromium notes the 401 and the 403 itself
