"""The main job: read the chapter, write the operator, a real control plane decides, the instructor sees it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import workbench
from tests.browser.visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(600)]
CHAPTER = "/chapters/operators/reconcile/"
GRADED = 240_000  # milliseconds, on a machine that does other things as well


def test_it_works(visit: Visit) -> None:
    learner, teacher = visit("learner", "zh", width=1440), visit("teacher", "zh", width=1440)
    teacher.open("/class/demo/")
    expect(teacher.page.locator("[data-live-mark]")).to_have_attribute("data-live", "yes")
    teacher.page.evaluate("window.notReloaded = true")

    # reads 2.1, in Chinese and in English
    page = learner.page
    learner.open(CHAPTER)
    expect(page.locator("h1")).to_have_text("控制循环与 Reconcile")
    page.locator(".site-tools button[name=language]").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(".prose h2").first).to_be_visible()
    page.locator(".site-tools button[name=language]").click()

    # opens its lab and edits
    page.locator(".next-lab a").click()
    page.wait_for_url(f"**{workbench.LAB}")
    expect(page.locator("#panel-brief h1, #panel-brief h2").first).to_be_visible()
    workbench.write_solution(page)
    expect(page.locator("[data-saved=yes]")).to_be_visible(timeout=30_000)

    # submits with the keyboard and follows
    page.keyboard.press("Control+Enter")
    first = page.locator("#panel-checks [data-check]").first
    expect(first).to_have_attribute("data-status", "passed", timeout=GRADED)
    expect(page.locator("[data-verdict]")).to_be_hidden()
    expect(page.locator("[data-first-line]")).to_contain_text("秒")
    row = teacher.page.locator(".class-table tbody tr", has_text="小林")
    expect(teacher.page.locator(".now-list")).to_contain_text("小林", timeout=30_000)

    verdict = page.locator("[data-verdict]")
    expect(verdict).to_have_attribute("data-status", "pass", timeout=GRADED)
    total = page.locator("#panel-checks [data-check]").count()
    assert total >= 12
    expect(page.locator('#panel-checks [data-check][data-status="passed"]')).to_have_count(total)
    expect(page.locator("#live")).to_contain_text("通过")

    # the instructor saw it end, on the same page
    expect(row.locator('[data-status="passed"]').first).to_be_visible(timeout=30_000)
    expect(row).to_contain_text(f"{total}/{total}")
    assert teacher.page.evaluate("window.notReloaded") is True

    # the run has a page of its own, for the instructor too
    run = verdict.locator("a[href^='/runs/']").get_attribute("href") or ""
    teacher.open(run)
    expect(teacher.page.locator("h1")).to_contain_text("通过")
    expect(teacher.page.locator(".timeline li").first).to_be_visible()
    teacher.page.fill("[data-log-search]", "kubectl")
    expect(teacher.page.locator("[data-log-found]")).to_contain_text("1/")
    expect(teacher.page.locator("pre", has_text="lastmile grade operators/database")).to_be_visible()

    # and the matrix has the evidence
    learner.open("/skills/")
    cell = page.locator("#engineering-senior")
    expect(cell).to_have_attribute("data-standing", "partly")  # it rests on two more labs
    assert cell.locator(".cell-evidence a").first.get_attribute("href") == run

    # the solution is open now, and what was written is in the history
    learner.open(workbench.LAB)
    page.click("#tab-debrief")
    expect(page.locator(".solution-file").first).to_be_visible()


def test_a_verdict_against_the_learner_explains_itself(visit: Visit, axe: str) -> None:
    learner = visit("classmate", "en", width=1440)
    page = learner.page
    learner.open(workbench.LAB)
    page.wait_for_selector(".cm-content")

    # what does not compile is shown in the line, and announced once
    workbench.write(page, "main.go", "package main\n\nfunc main() {\n\tnothing()\n}\n")
    page.click("[data-submit]")
    page.click("[data-submit]", force=True)  # a double click makes one run
    expect(page.locator("[data-verdict]")).to_have_attribute("data-status", "error", timeout=GRADED)
    expect(page.locator(".cm-lintRange-error").first).to_have_text("nothing")
    expect(page.locator('[data-path="main.go"] .problems')).to_be_visible()
    page.locator("[data-problems] button", has_text="main.go:4").first.click()
    expect(page.locator(".cm-activeLine")).to_contain_text("nothing()")
    expect(page.locator("#panel-history .history li")).to_have_count(1, timeout=15_000)

    # the starter again: the first check fails and says what was tried, seen and expected
    page.click("[data-reset]")
    page.click("#reset-dialog button[value=all]")
    expect(page.locator("[data-saved=yes]")).to_be_visible(timeout=30_000)
    page.click("[data-submit]")
    failed = page.locator('#panel-checks .ladder > [data-status="failed"]').first
    expect(failed).to_be_visible(timeout=GRADED)
    for word in ("Tried", "Saw", "Expected", "Hint"):
        expect(failed.locator("dt", has_text=word).first).to_be_visible()
    expect(page.locator("[data-verdict]")).to_have_attribute("data-status", "fail", timeout=GRADED)

    # hints open level by level
    failed = page.locator('#panel-checks .ladder > [data-status="failed"]').first
    for level in (1, 2):
        failed.locator(".hints button").click()
        expect(failed.locator(".hint-text")).to_have_count(level)
    page.evaluate(axe)
    found = page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => v.id))"
    )
    assert [rule for rule in found if rule != "region"] == []
    learner.open(page.locator("[data-verdict] a[href^='/runs/']").get_attribute("href") or "")
    expect(page.locator(".failure").first).to_be_visible()
