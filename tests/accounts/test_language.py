"""The language of pages: Chinese unless the reader says otherwise."""

from __future__ import annotations

import pytest
from django.test import Client

from lastmile.accounts.models import User

URL = "/accounts/sign-in/"


@pytest.mark.django_db
def test_it_works(client: Client) -> None:
    assert client.get(URL).headers["Content-Language"] == "zh-hans"
    client.post("/i18n/setlang/", {"language": "en", "next": URL})
    assert client.get(URL).headers["Content-Language"] == "en"


@pytest.mark.django_db
def test_a_browser_that_asks_for_english_gets_it(client: Client) -> None:
    assert client.get(URL, headers={"accept-language": "en-GB"}).headers["Content-Language"] == "en"


def test_the_choice_is_kept_in_the_profile(client: Client, owner: User) -> None:
    client.force_login(owner)
    client.post("/i18n/setlang/", {"language": "en"})
    owner.refresh_from_db()
    assert owner.language == "en"


def test_it_refuses_an_unknown_language(client: Client, owner: User) -> None:
    client.force_login(owner)
    client.post("/i18n/setlang/", {"language": "tlh"})
    owner.refresh_from_db()
    assert owner.language == ""
