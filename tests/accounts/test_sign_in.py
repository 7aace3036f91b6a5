"""/accounts/sign-in/ and its way out."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from lastmile.accounts.demo import seed
from lastmile.accounts.models import User

URL = "/accounts/sign-in/"


@pytest.fixture
def learner(db: None) -> User:
    return User.objects.create_user("lin", password="a long enough one", language="en")


def _sign_in(client: Client, **more: str) -> str:
    answer = client.post(URL, {"username": "lin", "password": "a long enough one", **more})
    assert answer.status_code == 302
    return answer.headers["Location"]


def test_it_works(client: Client, learner: User) -> None:
    assert client.get(URL).status_code == 200
    assert _sign_in(client) == reverse("home")
    assert client.get("/accounts/tokens/").status_code == 200


def test_it_goes_where_the_reader_wanted(client: Client, learner: User) -> None:
    assert _sign_in(client, next="/skills/") == "/skills/"


def test_a_word_is_a_place_of_ours_like_any_other(client: Client, learner: User) -> None:
    assert _sign_in(client, next="home") == "home"


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example/x", "javascript:alert(1)"])
def test_it_never_leads_to_another_site(client: Client, learner: User, elsewhere: str) -> None:
    assert _sign_in(client, next=elsewhere) == reverse("home")


def test_it_remembers_the_language(client: Client, learner: User) -> None:
    _sign_in(client)
    assert client.cookies["lastmile_language"].value == "en"


def test_it_refuses_a_wrong_password(client: Client, learner: User) -> None:
    answer = client.post(URL, {"username": "lin", "password": "wrong"})
    assert answer.status_code == 200
    assert answer.context["form"].errors


def test_it_shows_demo_passwords_in_a_demo_alone(client: Client, db: None, settings: Settings) -> None:
    settings.DEMO = False
    assert client.get(URL).context["demo"] == []
    settings.DEMO = True
    seed()
    shown = client.get(URL).context["demo"]
    for person in shown:
        assert Client().login(username=person["username"], password=person["password"])


def test_signing_out_needs_a_post(client: Client, learner: User) -> None:
    _sign_in(client)
    assert client.get("/accounts/sign-out/").status_code == 405
    client.post("/accounts/sign-out/")
    assert client.get("/accounts/tokens/").status_code == 302


def test_the_demo_class_is_made_once(db: None) -> None:
    seed()
    User.objects.filter(username="learner").update(first_name="Renamed")
    seed()
    assert User.objects.get(username="learner").first_name == "Renamed"
    assert User.objects.count() == 3
