"""The class page: it keeps itself fresh, stays where the reader is, and says when it cannot go on."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.visiting import Visit

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(600)]
CLASS = "/class/demo/"
HELLO = "retry: 200\nevent: hello\ndata: {}\n\n"
RUN = "/runs/00000000-0000-0000-0000-000000000001/"
TABLE = f"""<div style="height: 3000px"></div>
<section aria-labelledby="live-title"><h2 id="live-title">Now running</h2><a href="{RUN}">first</a></section>
<section aria-labelledby="stuck-title"><h2 id="stuck-title">Stuck</h2><a href="{RUN}">second</a></section>"""


def has_news_all_the_time(page: Page) -> None:
    """The stream says hello, breaks off and comes again."""
    page.route(f"**{CLASS}events*", lambda route: route.fulfill(content_type="text/event-stream", body=HELLO))


def answer_htmx(page: Page, answers: list[str | int]) -> None:
    """What the table is answered: a status, or its HTML; "" breaks the connection. The last one stays."""

    def answer(route: Route) -> None:
        if "hx-request" not in route.request.headers:
            route.continue_()
            return
        now = answers.pop(0) if len(answers) > 1 else answers[0]
        if now == "":
            route.abort()
        elif isinstance(now, int):
            route.fulfill(status=now, body="not this time")
        else:
            route.fulfill(body=now, content_type="text/html")

    page.route(f"**{CLASS}", answer)


def test_it_works(visit: Visit) -> None:
    """A refresh that fails is tried again."""
    teacher = visit("teacher", "en", width=1440)
    page = teacher.page
    answer_htmx(page, ["", 502, "fresh again"])
    teacher.open(CLASS)
    expect(page.locator("[data-live-mark]")).to_have_attribute("data-live", "no")
    expect(page.locator("[data-class-table]")).to_have_text("fresh again")
    expect(page.locator("[data-live-mark]")).to_have_attribute("data-live", "yes")
    teacher.errors.clear()  # Chromium and htmx note what was broken


def test_a_refresh_leaves_the_reader_where_they_are(visit: Visit) -> None:
    teacher = visit("teacher", "en", width=1440)
    page = teacher.page
    has_news_all_the_time(page)
    answer_htmx(page, [TABLE, TABLE + "<p>later</p>"])
    teacher.open(CLASS)
    page.get_by_role("link", name="second").focus()
    page.evaluate("scrollTo(0, 0)")
    expect(page.locator("[data-class-table]")).to_contain_text("later")
    expect(page.get_by_role("link", name="second")).to_be_focused()
    assert page.evaluate("scrollY") == 0
    teacher.errors.clear()  # the policy refuses the style of this table


def test_who_is_signed_out_is_asked_to_sign_in(visit: Visit) -> None:
    teacher = visit("teacher", "en", width=1440)
    page = teacher.page
    has_news_all_the_time(page)
    teacher.open(CLASS)
    expect(page.locator("[data-class-table] table")).to_be_visible()
    teacher.context.clear_cookies(name="lastmile_session")
    page.wait_for_url(f"**/accounts/sign-in/?next={CLASS}*")
    expect(page.locator("#id_username")).to_be_visible()
    expect(page.locator("[data-class-table]")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "said", "link"),
    [("en", "you are signed out", "Sign in again"), ("zh", "登录已过期", "重新登录")],
)
def test_a_stream_that_is_refused_says_so_and_looks_again_when_the_reader_comes_back(
    visit: Visit, language: str, said: str, link: str
) -> None:
    teacher = visit("teacher", language, width=1440)
    page = teacher.page
    page.route(f"**{CLASS}events*", lambda route: route.fulfill(status=401))
    teacher.open(CLASS)
    mark = page.locator("[data-live-mark]")
    expect(mark).to_contain_text(said)
    expect(mark.get_by_role("link", name=link)).to_have_attribute("href", "/accounts/sign-in/")
    page.unroute(f"**{CLASS}events*")
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(mark).to_have_attribute("data-live", "yes")
    teacher.errors.clear()  # Chromium notes the 401 itself
