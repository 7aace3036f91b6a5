"""A tracer lab's run on the lab page: kernels, the verifier's log beside the source, connections and CPU.

The events are recordings of real runs of labs/tracers/lifecycle (recordings/), played to the page in place of the
stream; those of traffic and cost are what labs.harness.tracer_lab emits.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_every_page import violations
from tests.browser.visiting import Visit, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(600)]

LAB = "/labs/tracers/lifecycle/"
RUN = "/runs/00000000-0000-0000-0000-000000000001"
PATIENCE = 60_000
TRAFFIC = {
    "type": "traffic",
    "kernel": "6.1",
    "tried": {"zh": "建立 5 个连接", "en": "made 5 connections"},
    "connections": ["client_close", "refused", "client_close", "timeout", "refused"],
    "counts": [
        {"series": 'tcp_conn_closed_total{reason="refused"}', "planned": 2, "seen": 0},
        {"series": 'tcp_conn_total{state="established"}', "planned": 2, "seen": 2},
    ],
    "left_out": 0,
}
COST = {
    "type": "cost",
    "kernel": "6.12",
    "connections": 300,
    "yours": {"user": 800.0, "bpf": 40.0, "run": 5200},
    "reference": {"user": 180.0, "bpf": 20.0, "run": 3600},
    "most": 3,
}


def recording(name: str) -> list[dict[str, Any]]:
    lines = (Path(__file__).parent / "recordings" / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def play(visitor: Visitor, events: list[dict[str, Any]], *before: int) -> Page:
    """The lab page after a submission whose run tells `events`.

    `before` are statuses that the stream is answered with first; 200 is one that breaks off after the first event.
    """
    page = visitor.page
    page.set_default_timeout(PATIENCE)
    told = ["retry: 1000\n\n", 'event: attempt\ndata: {"attempt": 1, "reason": "first"}\n\n']
    told += [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    end = {"state": "done", "verdict": "fail", "url": f"{RUN}/"}
    told.append(f"event: end\ndata: {json.dumps(end)}\n\n")
    run = {"id": "1", "url": f"{RUN}/", "events_url": f"{RUN}/events", "state": "queued", "verdict": ""}
    statuses = list(before)

    def answer(route: Route) -> None:
        if not statuses:
            route.fulfill(content_type="text/event-stream; charset=utf-8", body="".join(told))
        elif (status := statuses.pop(0)) == 200:
            broken = [
                "retry: 100\n\n",
                'id: 1-0\nevent: attempt\ndata: {"attempt": 1, "reason": "first"}\n\n',
            ]
            route.fulfill(content_type="text/event-stream; charset=utf-8", body="".join(broken))
        else:
            route.fulfill(status=status)

    page.route(re.compile(f"{RUN}/events"), answer)
    page.route(f"**{LAB}submit", lambda route: route.fulfill(status=201, json=run))
    visitor.open(LAB)
    page.wait_for_selector(".cm-content", state="attached")
    page.click("[data-submit]")
    expect(page.locator("[data-verdict]")).to_be_visible(timeout=PATIENCE)
    return page


def test_each_check_says_how_it_stands_on_each_kernel(visit: Visit) -> None:
    page = play(visit("classmate", "en", width=1440), recording("one_kernel"))
    rung = page.locator('[data-check="accepted"]')
    expect(rung.locator("[data-kernel]")).to_have_text(["Linux 6.1 failed", "Linux 6.12 passed"])
    assert rung.locator("[data-kernel] svg").count() == 2, "not by colour alone"
    expect(rung.locator(".failure .saw")).to_contain_text("Linux 6.1: ")
    skipped = page.locator('[data-check="pinned"] [data-kernel="6.1"]')
    expect(skipped).to_have_text("Linux 6.1 skipped")


@pytest.mark.parametrize("before", [(502, 502), (200, 503, 500), (200, 204, 204)], ids=str)
def test_the_page_comes_back_whatever_the_stream_was_answered(visit: Visit, before: tuple[int, ...]) -> None:
    """A site that restarts answers 502; one that has sent all, but for the end that was lost, answers 204."""
    visitor = visit("classmate", "en", width=1440)
    page = play(visitor, recording("one_kernel"), *before)
    expect(page.locator('[data-check="accepted"] [data-kernel]')).to_have_count(2)
    expect(page.locator("[data-submit]")).to_be_enabled()
    # what Chromium says of each such answer by itself
    visitor.errors[:] = [said for said in visitor.errors if not said.startswith("Failed to load resource")]


def test_a_refusal_leads_to_the_line_and_shows_the_verifiers_log(visit: Visit) -> None:
    visitor = visit("classmate", "en", width=1440)
    page = play(visitor, recording("refused"))
    problem = page.locator('.problem[data-tool="verifier"]')
    expect(problem).to_have_count(1)  # both kernels refused the same line
    expect(problem).to_contain_text("a pointer that may be null is used without a check")
    expect(problem).to_contain_text("Write if (!p) return 0;")
    logs = problem.locator(".verifier-log")
    expect(logs.locator("summary .tag")).to_have_text(["Linux 6.1", "Linux 6.12"])

    first = logs.first
    expect(first.locator("pre")).to_have_count(0)
    first.locator("summary").press("Enter")
    refused = first.locator('[data-role="refused"]')
    expect(refused).to_contain_text("refused here")
    expect(refused).to_contain_text("lock *(u64 *)(r0 +0) += r1")
    expect(refused).to_be_in_viewport()
    first.locator("input").fill("MAP_LOOKUP")
    expect(first.locator("mark").first).to_have_text("map_lookup")
    expect(first.locator(".number")).to_have_text("1/5")
    first.locator("input").press("Shift+Enter")
    expect(first.locator(".number")).to_have_text("5/5")

    problem.locator("button").first.click()
    expect(page.locator('[data-path="bpf/lifecycle.bpf.c"]')).to_have_attribute("aria-selected", "true")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(1)


def test_what_was_planned_stands_above_what_was_counted(visit: Visit) -> None:
    visitor = visit("classmate", "en", width=1440)
    events = recording("one_kernel")
    page = play(visitor, [*events[:-1], TRAFFIC, COST, events[-1]])
    page.click("#tab-timeline")
    traffic, cost = page.locator(".measure").all()
    expect(traffic.locator("h3")).to_have_text("Linux 6.1 made 5 connections")
    expect(traffic.locator(".plan-legend li")).to_have_text(["client closes 2", "refused 2", "times out 1"])
    expect(traffic).to_contain_text("1 of 2 counts are off")
    expect(traffic.locator("tbody tr").first).to_have_attribute("data-status", "failed")
    expect(traffic.locator("tbody tr").first.locator("td")).to_have_text(["2", "failed 0"])
    expect(cost).to_contain_text("4.20 times the reference; 3 times at most")
    expect(cost).to_have_attribute("data-status", "failed")


@pytest.mark.parametrize(("language", "theme"), [("zh", "light"), ("en", "dark")])
def test_everybody_can_use_it(visit: Visit, axe: str, language: str, theme: str) -> None:
    visitor = visit("classmate", language, theme, width=1440)
    events = recording("refused")
    page = play(visitor, [*events[:-1], TRAFFIC, COST, events[-1]])
    page.locator(".verifier-log summary").first.click()
    page.click("#tab-timeline")
    assert violations(visitor, axe) == []


def test_nothing_scrolls_sideways_at_360_pixels(visit: Visit) -> None:
    visitor = visit("classmate", "en", width=360)
    events = recording("refused")
    page = play(visitor, [*events[:-1], TRAFFIC, COST, events[-1]])
    page.locator(".verifier-log summary").first.click()
    assert visitor.scroll_width() <= 360
    for view in ("#view-middle", "#view-right", "#tab-timeline"):
        page.click(view)
        assert visitor.scroll_width() <= 360, view


def test_a_lab_says_what_it_runs_on(visit: Visit) -> None:
    visitor = visit("classmate", "en", width=1440)
    visitor.open(LAB)
    intro = visitor.page.locator("[data-checks-intro]")
    expect(intro).to_contain_text("virtual machines of your own")
    assert "control plane" not in (intro.text_content() or "")
    expect(visitor.page.locator("#tab-timeline")).to_be_hidden()
