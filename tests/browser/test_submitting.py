"""Runs on the lab page and on their own: sent, joined, withdrawn, refused, and looked at when they ended."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Request, Route, expect

from tests.browser import workbench
from tests.browser.visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(600)]


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
    workbench.until(page, lambda: len(held) == 2)  # the request is told before the route is called
    events, submit = held
    read: list[Request] = []
    # the stream is over when the server closes it, or, with "requestfailed", when the page does at the end event
    for over in ("requestfinished", "requestfailed"):
        page.on(over, lambda request: read.append(request))
    events.continue_()
    workbench.until(page, lambda: events.request in read)
    expect(page.locator("[data-verdict] .word")).to_have_text("Withdrawn")
    expect(page.locator("[data-submit]")).to_have_attribute("aria-disabled", "true")
    page.unroute("**/events")
    submit.continue_()
    page.get_by_role("button", name="Withdraw", exact=True).click()
    expect(page.locator("[data-submit]")).to_have_attribute("aria-disabled", "false")


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
    workbench.until(page, lambda: bool(held))
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
