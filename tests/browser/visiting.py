"""Somebody who looks at the course with a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect


@dataclass
class Visitor:
    """Somebody with a browser. `errors` gathers what pages complain of on the console."""

    context: BrowserContext
    page: Page
    base: str
    errors: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        answer = self.page.goto(self.base + path)
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"

    def sign_in(self, name: str) -> None:
        """The browser's language stays: to sign in brings the one that the account had last."""
        language = [cookie for cookie in self.context.cookies() if cookie["name"] == "lastmile_language"]
        self.page.goto(f"{self.base}/accounts/sign-in/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", f"demo-{name}")
        self.page.press("#id_password", "Enter")
        self.page.wait_for_url(f"{self.base}/")
        self.context.add_cookies([{**_named(cookie), "url": self.base} for cookie in language])

    def sign_out(self) -> None:
        self.open("/")
        self.page.click("[data-menu] summary")
        self.page.click("[data-menu] form button")
        expect(self.page.locator("html[data-reader]")).to_have_count(0)

    def scroll_width(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))


def _named(cookie: Any) -> Any:
    return {"name": cookie["name"], "value": cookie["value"]}


Visit = Callable[..., Visitor]
