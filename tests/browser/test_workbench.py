"""The lab page with the keyboard, drafts, panes; nothing is graded here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, Page, Request, Route, expect

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
    until(page, lambda: bool(held))
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
    until(page, lambda: asked == ["beforeunload"])


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
    sign_out(Visitor(learner.context, learner.context.new_page(), learner.base))
    workbench.write(learner.page, "notes.go", "package main\n\n// signed out\n")
    saved = learner.page.locator("[data-saved]")
    expect(saved).to_contain_text("You are signed out", timeout=15_000)
    with learner.context.expect_page() as opened:
        saved.get_by_role("link", name="Sign in again").click()
    other = Visitor(learner.context, opened.value, learner.base)

    other.sign_in("learner")
    expect(saved).to_contain_text("Another account is signed in", timeout=15_000)
    sign_out(other)
    other.sign_in("classmate")
    expect(saved).to_have_attribute("data-saved", "yes", timeout=15_000)
    again = visit("classmate", "en", width=1440)
    again.open(workbench.LAB)
    again.page.locator('[data-path="notes.go"]').click()
    expect(again.page.locator(".cm-content")).to_contain_text("// signed out")
    learner.errors.clear()  # Chromium notes the 401 and the 403 itself


@pytest.mark.parametrize(
    ("language", "withdraw", "withdrawn"), [("en", "Withdraw", "Withdrawn"), ("zh", "撤回", "已撤回")]
)
def test_a_run_can_be_withdrawn_and_the_next_one_sent_at_once(
    visit: Visit, language: str, withdraw: str, withdrawn: str
) -> None:
    learner = visit("classmate", language, width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    button = page.get_by_role("button", name=withdraw, exact=True)
    expect(button).to_be_hidden()
    rows = page.locator(".history li").count()
    for _ in range(2):
        page.click("[data-submit]")
        button.click()
        expect(page.locator("[data-state]")).to_contain_text(withdrawn)
        expect(button).to_be_hidden()
        expect(page.locator("[data-submit]")).to_have_attribute("aria-disabled", "false")
        expect(page.locator("[data-verdict]")).to_be_visible()
        expect(page.locator("[data-verdict] .word")).to_have_text(withdrawn)
    expect(page.locator(".history li")).to_have_count(rows + 2)
    page.click("#tab-history")
    expect(page.locator(".history li").first).to_contain_text(withdrawn)

    page.locator(".history a").first.click()
    expect(page.locator("h1")).to_have_text(withdrawn)
    expect(page.locator("[data-withdraw]")).to_have_count(0)


def test_a_run_that_was_begun_in_another_window_is_joined(visit: Visit) -> None:
    one, other = (visit("classmate", "en", width=1440) for _ in range(2))
    one.open(workbench.LAB)
    other.open(workbench.LAB)
    one.page.click("[data-submit]")
    expect(one.page.get_by_role("button", name="Withdraw", exact=True)).to_be_visible()
    other.page.click("[data-submit]")
    expect(other.page.locator("[data-problems]")).to_contain_text("A run of this lab is still going on")
    other.page.get_by_role("button", name="Withdraw", exact=True).click()
    for visitor in (one, other):
        expect(visitor.page.locator("[data-state]")).to_contain_text("Withdrawn", timeout=15_000)
        expect(visitor.page.locator("[data-submit]")).to_have_attribute("aria-disabled", "false")
    other.errors.clear()  # Chromium notes the 429 itself


def test_an_older_run_that_is_read_late_does_not_free_the_button(visit: Visit) -> None:
    learner = visit("classmate", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    page.click("[data-submit]")
    page.get_by_role("button", name="Withdraw", exact=True).click()
    expect(page.locator("[data-submit]")).to_have_attribute("aria-disabled", "false")

    held: list[Route] = []
    page.route("**/events", lambda route: held.append(route))
    page.route("**/submit", lambda route: held.append(route))
    with page.expect_request("**/events"):
        page.reload()
    with page.expect_request("**/submit"):
        page.click("[data-submit]")
    until(page, lambda: len(held) == 2)  # the request is told before the route is called
    events, submit = held
    read: list[Request] = []
    # the stream is over when the server closes it, or, with "requestfailed", when the page does at the end event
    for over in ("requestfinished", "requestfailed"):
        page.on(over, lambda request: read.append(request))
    events.continue_()
    until(page, lambda: events.request in read)
    expect(page.locator("[data-verdict] .word")).to_have_text("Withdrawn")
    expect(page.locator("[data-submit]")).to_have_attribute("aria-disabled", "true")
    page.unroute("**/events")
    submit.continue_()
    page.get_by_role("button", name="Withdraw", exact=True).click()
    expect(page.locator("[data-submit]")).to_have_attribute("aria-disabled", "false")


def until(page: Page, ask: Callable[[], bool], seconds: float = 30.0) -> None:
    """Lets the page go on until what Playwright has no waiting for is so."""
    end = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < end, f"not so after {seconds} s"
        page.wait_for_timeout(20)


def sign_out(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.page.click("[data-menu] summary")
    visitor.page.click("[data-menu] form button")
    expect(visitor.page.locator("html[data-reader]")).to_have_count(0)


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


@pytest.mark.parametrize(
    ("language", "said", "link"),
    [("en", "you are signed out", "Sign in again"), ("zh", "登录已过期", "重新登录")],
)
def test_a_run_that_may_not_be_followed_any_more_is_followed_again_after_signing_in(
    visit: Visit, language: str, said: str, link: str
) -> None:
    learner = visit("classmate", language, width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    run = {"id": "none", "state": "queued", "verdict": "", "url": "/runs/none/"}
    run["events_url"] = "/runs/none/events"
    body = 'event: end\ndata: {"state": "done", "verdict": "fail", "url": "/runs/none/"}\n\n'
    page.route("**/submit", lambda route: route.fulfill(status=201, json=run))
    page.route("**/runs/none/events", lambda route: route.fulfill(status=401))
    page.click("[data-submit]")
    state = page.locator("[data-state]")
    expect(state).to_contain_text(said)
    expect(state.get_by_role("link", name=link)).to_have_attribute("href", "/accounts/sign-in/")
    page.unroute("**/runs/none/events")
    page.route(
        "**/runs/none/events", lambda route: route.fulfill(content_type="text/event-stream", body=body)
    )
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.locator("[data-verdict]")).to_have_attribute("data-status", "fail")
    expect(page.locator("[data-submit]")).to_have_attribute("aria-disabled", "false")
    learner.errors.clear()  # Chromium notes the 401 itself


def test_a_hint_keeps_the_focus_and_is_still_open_later(visit: Visit) -> None:
    learner = visit("learner", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    page.click("#tab-checks")
    check = page.locator("#panel-checks [data-check]").nth(2)
    levels = page.evaluate("JSON.parse(document.getElementById('lab-data').textContent).checks[2].hints")
    assert levels
    check.locator("summary").click()
    for level in range(1, levels + 1):
        check.locator(".hints button").press("Enter")
        expect(check.locator(".hint-text")).to_have_count(level)
        expect(check.locator(".hint-text").last).to_be_focused()
    expect(check.locator(".hints button")).to_have_count(0)

    # a run draws the check again
    name = check.get_attribute("data-check")
    events = [
        {"type": "check", "at": 1.0, "check": name, "status": "running", "seconds": None},
        {"type": "check", "at": 1.1, "check": name, "status": "skipped", "seconds": None},
    ]
    body = "".join(f"id: 1-{n}\nevent: check\ndata: {json.dumps(e)}\n\n" for n, e in enumerate(events, 1))
    body += 'event: end\ndata: {"state": "done", "verdict": "fail", "url": "/runs/none/"}\n\n'
    run = {"id": "none", "state": "queued", "verdict": "", "url": "/runs/none/"}
    run["events_url"] = "/runs/none/events"
    page.route("**/submit", lambda route: route.fulfill(status=201, json=run))
    held: list[Route] = []
    page.route("**/runs/none/events", lambda route: held.append(route))
    page.keyboard.press("Control+Enter")
    until(page, lambda: bool(held))
    expect(check.locator("summary")).to_be_focused()
    held[0].fulfill(content_type="text/event-stream", body=body)
    expect(check).to_have_attribute("data-status", "skipped")
    expect(check.locator("summary")).to_be_focused()
    expect(check.locator(".hint-text")).to_have_count(levels)
    expect(check.locator(".hint-text").first).to_be_visible()

    learner.open(workbench.LAB)
    page.click("#tab-checks")
    check.locator("summary").click()
    expect(check.locator(".hint-text")).to_have_count(levels)


@pytest.mark.parametrize(
    ("language", "withdrawn", "whole"),
    [("en", "Withdrawn", "Show the whole result"), ("zh", "已撤回", "看完整结果")],
)
def test_the_page_of_a_run_says_how_it_ended(visit: Visit, language: str, withdrawn: str, whole: str) -> None:
    """Once, and without another page cutting it off."""
    learner = visit("classmate", language, width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    page.click("[data-submit]")
    expect(page.locator("[data-withdraw]")).to_be_visible()
    learner.open(workbench.LAB)
    url = page.evaluate("JSON.parse(document.getElementById('lab-data').textContent).run.url")
    learner.open(url)
    page.evaluate("window.notReloaded = true")
    page.locator("[data-withdraw]").press("Enter")
    expect(page.locator("h1")).to_contain_text(withdrawn)
    expect(page.locator("#live")).to_contain_text(withdrawn)
    link = page.get_by_role("link", name=whole)
    expect(link).to_be_visible()
    expect(page.locator("[data-withdraw]")).to_have_count(0)
    assert page.evaluate("window.notReloaded") is True
    link.click()
    page.wait_for_function("!window.notReloaded")
    expect(page.locator("h1")).to_contain_text(withdrawn)


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


def test_a_refused_upload_says_what_is_wrong(visit: Visit) -> None:
    learner = visit("classmate", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    page.wait_for_selector(".cm-content")
    broken = {"name": "work.zip", "mimeType": "application/zip", "buffer": b"this is no archive"}
    page.set_input_files("[data-upload]", [broken])  # type: ignore[list-item]
    expect(page.locator("[data-problems]")).to_be_visible(timeout=15_000)
    assert page.locator("[data-problems]").inner_text().strip()
    expect(page.locator("[data-submit]")).to_have_attribute("aria-disabled", "false")
    learner.errors.clear()  # Chromium notes the 400 itself


@pytest.mark.parametrize(
    ("language", "away", "full", "queue", "warm"),
    [
        ("zh", "评测程序没有启动", "沙箱都在使用中", "前面有 3 份在排队", "沙箱已就绪"),
        ("en", "No grader is up", "All sandboxes are in use", "Busy: 3 in the queue", "A sandbox is ready"),
    ],
)
def test_it_says_what_a_run_would_find_and_looks_again(
    visit: Visit, language: str, away: str, full: str, queue: str, warm: str
) -> None:
    learner = visit("learner", language, width=1440)
    page, said = learner.page, {"state": "away", "queued": 0}
    page.route("**/environment", lambda route: route.fulfill(json=said))
    learner.open(workbench.LAB)
    expect(page.locator("[data-environment]")).to_contain_text(away)
    said["state"] = "busy"
    page.reload()
    expect(page.locator("[data-environment]")).to_contain_text(full)
    said["queued"] = 3
    expect(page.locator("[data-environment]")).to_contain_text(queue, timeout=10_000)
    said |= {"state": "ready", "queued": 0}
    page.reload()
    expect(page.locator("[data-environment]")).to_contain_text(warm)
