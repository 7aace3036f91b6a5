"""/accounts/tokens/: made, shown once, revoked."""

from __future__ import annotations

import pytest
from django.test import Client

from lastmile.accounts.models import ApiToken, User

URL = "/accounts/tokens/"


@pytest.fixture
def client(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def test_it_works(client: Client, owner: User) -> None:
    answer = client.post(URL, {"name": "laptop"})
    secret = answer.context["new_token"]
    found = ApiToken.objects.find(secret)
    assert found is not None
    assert found.user == owner
    assert secret in answer.content.decode()
    assert secret not in client.get(URL).content.decode()


def test_the_secret_is_not_stored(client: Client) -> None:
    secret = client.post(URL, {"name": "laptop"}).context["new_token"]
    stored = ApiToken.objects.values().get()
    assert secret not in str(stored)
    assert stored["hint"] == secret[-4:]


def test_a_token_without_a_name_is_refused(client: Client) -> None:
    assert client.post(URL, {"name": " "}).status_code == 400
    assert not ApiToken.objects.exists()


def test_a_revoked_token_is_void(client: Client) -> None:
    secret = client.post(URL, {"name": "laptop"}).context["new_token"]
    client.post(URL, {"revoke": str(ApiToken.objects.get().pk)})
    assert ApiToken.objects.find(secret) is None


def test_a_classmate_cannot_revoke_it(client: Client, classmate: User) -> None:
    client.post(URL, {"name": "laptop"})
    other = Client()
    other.force_login(classmate)
    other.post(URL, {"revoke": str(ApiToken.objects.get().pk)})
    assert ApiToken.objects.exists()


def test_the_token_of_somebody_shut_out_is_void(owner: User) -> None:
    _, secret = ApiToken.objects.issue(owner, "laptop")
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert ApiToken.objects.find(secret) is None


@pytest.mark.django_db
def test_it_asks_a_stranger_to_sign_in() -> None:
    answer = Client().get(URL)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/sign-in/")
