"""/labs/<…>/hints/<check>: level by level, recorded."""

from __future__ import annotations

import pytest
from django.test import Client

from lastmile.accounts.models import User
from lastmile.practice.models import HintUse

pytestmark = pytest.mark.usefixtures("fake_labs")
URL = "/labs/fakes/quick/hints/first"


@pytest.fixture
def client(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def test_it_works(client: Client, owner: User) -> None:
    answer = client.post(URL + "?level=1").json()
    assert (answer["level"], answer["of"]) == (1, 2)
    assert "<strong>one</strong>" in answer["html"]
    client.post(URL + "?level=1")
    assert HintUse.objects.filter(user=owner, check_id="first").count() == 1
    checks = client.get("/labs/fakes/quick/").context["page_data"]["checks"]
    assert checks[0]["unlocked"] == 1
    assert checks[0]["opened"] == [{"level": 1, "html": answer["html"]}]
    assert checks[1]["opened"] == []


def test_a_level_needs_the_one_before(client: Client) -> None:
    answer = client.post(URL + "?level=2")
    assert (answer.status_code, answer.json()["code"]) == (409, "hint_locked")
    client.post(URL + "?level=1")
    assert client.post(URL + "?level=2").status_code == 200


def test_a_classmates_hints_stay_closed(client: Client, classmate: User) -> None:
    client.post(URL + "?level=1")
    other = Client()
    other.force_login(classmate)
    assert other.post(URL + "?level=2").status_code == 409


@pytest.mark.parametrize(
    "query", ["?level=3", "?level=0", "?level=x", "?level=-1", "?level=²", "?level=0001" + "9" * 5000]
)
def test_a_level_that_is_not_there_is_404(client: Client, query: str) -> None:
    assert client.post(URL + query).status_code == 404


def test_a_check_that_is_not_there_is_404(client: Client) -> None:
    assert client.post("/labs/fakes/quick/hints/nothing?level=1").status_code == 404


def test_a_link_opens_no_hint(client: Client, owner: User) -> None:
    """Opening one is recorded: it takes the page's own button."""
    assert client.get(URL + "?level=1").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert strict.post(URL + "?level=1").status_code == 403
    assert not HintUse.objects.exists()
