"""What a learner does on the lab page."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
LAB = "/labs/operators/database/"
FOLDER = ROOT / "labs" / "operators" / "database"


def write(page: Page, path: str, text: str) -> None:
    """Open the file's tab, or make the file, and put the text in place of what is there."""
    tab = page.locator(f'[data-path="{path}"]')
    if not tab.count():
        page.click("[data-add]")
        page.fill("#add-name", path)
        page.press("#add-name", "Enter")
    tab.click()
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")  # or Chromium carries the old text's colours over as inline styles
    page.keyboard.insert_text(text)


def write_solution(page: Page) -> None:
    """Only what differs from the starter, as the editable files of the lab are."""
    solution = FOLDER / "solution"
    for path in sorted(solution.rglob("*.go")):
        name = path.relative_to(solution).as_posix()
        given = FOLDER / "starter" / name
        if not given.exists() or given.read_bytes() != path.read_bytes():
            write(page, name, path.read_text(encoding="utf-8"))


def until(page: Page, ask: Callable[[], bool], seconds: float = 30.0) -> None:
    """Lets the page go on until what Playwright has no waiting for is so."""
    end = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < end, f"not so after {seconds} s"
        page.wait_for_timeout(20)
