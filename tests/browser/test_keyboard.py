"""Without a mouse and without looking: every stop shows where it is, and a verdict is said once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import workbench
from tests.browser.test_every_page import settle, violations
from tests.browser.visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(600)]
LONGEST = 160  # presses of Tab

# What has the focus, in shadow roots too, and whether anybody can see that it has.
STOP = """() => {
  let node = document.activeElement;
  while (node.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  if (node === document.body || node === document.documentElement) return null;
  const ringed = (each) => {
    if (!each) return false;
    const style = getComputedStyle(each);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
  };
  const box = node.getBoundingClientRect();
  const label = node.labels?.[0];
  const shown =
    node.classList.contains('cm-content') ||
    (node.classList.contains('visually-hidden') ? ringed(label) : ringed(node)) ||
    (node.role === 'separator' && getComputedStyle(node, '::before').width === '3px');
  return {
    name: node.id || node.className || node.tagName,
    shown,
    inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    href: node.getAttribute('href') ?? '',
    editor: node.classList.contains('cm-content'),
  };
}"""


def walk(page: Page) -> list[dict[str, Any]]:
    """Tab from the top to the end of the page. Fails when it never ends."""
    page.evaluate("document.activeElement?.blur()")
    stops: list[dict[str, Any]] = []
    for _ in range(LONGEST):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None:
            return stops
        stops.append(stop)
        if stop["editor"]:
            page.keyboard.press("Escape")  # the editor keeps Tab for itself until then
    pytest.fail(f"a trap: {[stop['name'] for stop in stops[-6:]]}")


def assert_seen(stops: list[dict[str, Any]]) -> None:
    assert [stop["name"] for stop in stops if not stop["shown"]] == []
    assert [stop["name"] for stop in stops if not stop["inside"]] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_works(visit: Visit, theme: str) -> None:
    """The lab page, from the way past the header to the log."""
    learner = visit("learner", "en", theme, width=1440)
    learner.open(workbench.LAB)
    settle(learner)
    stops = walk(learner.page)
    assert_seen(stops)
    names = [stop["name"] for stop in stops]
    assert names[0] == "skip-link"
    wanted = [
        "archive",
        "button button-main",
        "tab-brief",
        "panel-brief",
        "splitter",
        "cm-content",
        "tab-log",
        "log",
    ]
    found = [name for name in names if name.split(" cm-")[0] in wanted]
    assert list(dict.fromkeys(name.split(" cm-")[0] for name in found)) == wanted


def test_the_matrix_is_walked_cell_by_cell(visit: Visit) -> None:
    learner = visit("learner", "en", width=1024)
    learner.open("/skills/")
    stops = walk(learner.page)
    assert_seen(stops)
    assert any(stop["href"] == workbench.LAB for stop in stops)


@pytest.mark.parametrize("path", ["/", "/accounts/password/", "/labs/", "/chapters/operators/reconcile/"])
def test_other_pages_show_the_focus_too(visit: Visit, path: str) -> None:
    learner = visit("learner", "zh", width=1024)
    learner.open(path)
    settle(learner)
    page, stops = learner.page, 0
    for _ in range(30):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None:
            break
        assert_seen([stop])
        stops += 1
    assert stops > 3


def _stream(*events: dict[str, Any]) -> str:
    parts = [f"id: 1-{n}\nevent: {e['type']}\ndata: {json.dumps(e)}\n\n" for n, e in enumerate(events, 1)]
    return "".join(parts)


def test_a_verdict_is_said_once(visit: Visit) -> None:
    """To a screen reader, whatever else moves on the page while a run goes on."""
    learner = visit("learner", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    settle(learner)
    checks = page.evaluate(
        "JSON.parse(document.getElementById('lab-data').textContent).checks.map(c => c.id)"
    )
    reason = {"zh": "没有通过", "en": "did not pass: drift"}
    verdict = {
        "type": "verdict",
        "verdict": "fail",
        "passed": 1,
        "total": len(checks),
        "points": 4,
        "of": 100,
        "seconds": 2.5,
        "reason": reason,
    }
    body = _stream(
        {"type": "attempt", "attempt": 1, "reason": "first"},
        {"type": "state", "state": "building"},
        {"type": "state", "state": "grading"},
        *({"type": "check", "at": 1.0, "check": check, "status": "passed", "seconds": 0.1} for check in checks),
        verdict,
        {"type": "end", "state": "done", "verdict": "fail", "url": "/runs/none/"},
    )  # fmt: skip
    run = {
        "id": "none",
        "state": "queued",
        "verdict": "",
        "url": "/runs/none/",
        "events_url": "/runs/none/events",
    }

    def answer_submit(route: Route) -> None:
        route.fulfill(status=201, json=run)

    def answer_events(route: Route) -> None:
        route.fulfill(status=200, content_type="text/event-stream", body=body)

    page.route("**/submit", answer_submit)
    page.route("**/runs/none/events", answer_events)
    page.evaluate(
        """() => {
          window.said = [];
          const live = document.getElementById('live');
          new MutationObserver(() => live.textContent && window.said.push(live.textContent)).observe(live, {childList: true, characterData: true, subtree: true});
        }"""
    )
    page.click("[data-submit]")
    expect(page.locator("[data-verdict]")).to_have_attribute("data-status", "fail")
    expect(page.locator("#live")).to_contain_text("did not pass: drift")
    expect(page.locator("[data-submit]")).to_have_attribute("aria-disabled", "false")
    said = page.evaluate("window.said")
    assert [text for text in said if "did not pass" in text] == [
        f"Not yet · 1 of {len(checks)} checks pass · did not pass: drift"
    ]
    assert len(said) <= 2  # before it, at most that the submission was received


def test_wrong_passwords_are_slowed_down_in_words(visit: Visit, axe: str) -> None:
    stranger = visit("", "zh")
    page = stranger.page
    for _ in range(6):
        stranger.page.goto(f"{stranger.base}/accounts/sign-in/")
        page.fill("#id_username", "somebody")
        page.fill("#id_password", "not it")
        page.press("#id_password", "Enter")
        expect(page.locator("[role=alert]")).to_be_visible()
    expect(page.locator("[role=alert]")).to_contain_text("密码输错次数太多")
    assert violations(stranger, axe) == []
    stranger.errors.clear()  # Chromium notes the 429 itself
