"""/accounts/password/: somebody signed in changes their password."""

from __future__ import annotations

import pytest
from django.test import Client

from lastmile.accounts import throttle
from lastmile.accounts.models import ApiToken, User

URL = "/accounts/password/"
OLD, NEW = "a long enough one", "quite another one"


@pytest.fixture
def learner(db: None) -> User:
    return User.objects.create_user("lin", password=OLD, language="en")


@pytest.fixture
def signed_in(learner: User) -> Client:
    client = Client(headers={"accept-language": "en"})
    assert client.login(username="lin", password=OLD)
    return client


def form(old: str = OLD, new: str = NEW, again: str = "") -> dict[str, str]:
    return {"old_password": old, "new_password1": new, "new_password2": again or new}


def test_it_works(signed_in: Client, learner: User) -> None:
    answer = signed_in.post(URL, form(), follow=True)
    assert answer.redirect_chain == [(URL, 302)]
    assert "Your password is changed." in answer.text
    learner.refresh_from_db()
    assert learner.check_password(NEW)


def test_a_stranger_is_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get(URL).headers["Location"].startswith("/accounts/sign-in/")


def test_other_browsers_are_signed_out(signed_in: Client, learner: User) -> None:
    other = Client()
    other.login(username="lin", password=OLD)
    signed_in.post(URL, form())
    assert signed_in.get(URL).status_code == 200
    assert other.get(URL).status_code == 302


def test_tokens_stay(signed_in: Client, learner: User) -> None:
    _, secret = ApiToken.objects.issue(learner, "laptop")
    signed_in.post(URL, form())
    assert ApiToken.objects.find(secret) is not None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (form(old="not it"), "old_password"),
        (form(new="short"), "new_password2"),
        (form(new="password123"), "new_password2"),
        (form(again="something else entirely"), "new_password2"),
        (form(new=""), "new_password1"),
    ],
)
def test_it_refuses(signed_in: Client, learner: User, given: dict[str, str], field: str) -> None:
    answer = signed_in.post(URL, given)
    assert answer.status_code == 200
    assert next(iter(answer.context["form"].errors)) == field
    assert 'aria-invalid="true"' in answer.text
    learner.refresh_from_db()
    assert learner.check_password(OLD)


def test_a_stolen_session_cannot_guess_the_password(signed_in: Client, learner: User) -> None:
    for _ in range(throttle.CHANGE.burst):
        assert signed_in.post(URL, form(old="not it")).status_code == 200
    answer = signed_in.post(URL, form())
    assert answer.status_code == 429
    assert "Too many wrong passwords." in answer.text
    learner.refresh_from_db()
    assert learner.check_password(OLD)


def test_no_page_repeats_a_password(signed_in: Client) -> None:
    assert "not the right one" not in signed_in.post(URL, form(old="not the right one", new=NEW)).text
