"""How fast passwords may be guessed, and whom that must not hurt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from lastmile.accounts import throttle
from lastmile.accounts.models import Guesses, User
from lastmile.practice.management.commands.sweep import sweep

URL = "/accounts/sign-in/"
RIGHT, WRONG = "a long enough one", "not it"


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Settings) -> None:
    """What a guess costs the guesser is the hasher's business; here it is only how many there may be."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def learner(db: None) -> User:
    return User.objects.create_user("lin", password=RIGHT, language="en")


def guess(
    client: Client,
    password: str = WRONG,
    name: str = "lin",
    address: str = "203.0.113.7",
    language: str = "en",
) -> HttpResponse:
    return client.post(
        URL,
        {"username": name, "password": password},
        REMOTE_ADDR=address,
        headers={"accept-language": language},
    )


def pass_by(seconds: float) -> None:
    """As if that much time had gone by."""
    Guesses.objects.update(full_at=F("full_at") - timedelta(seconds=seconds))


def shut(client: Client, **more: str) -> int:
    """Guess until the throttle closes; gives the number of passwords that were looked at."""
    for tried in range(100):
        if guess(client, **more).status_code == 429:
            return tried
    pytest.fail("100 guesses went through")


def test_it_works(client: Client, learner: User) -> None:
    assert shut(client) == throttle.PAIR.burst
    answer = guess(client, RIGHT)
    assert answer.status_code == 429
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= throttle.PAIR.seconds
    assert f"Too many wrong passwords. Try again in {wait} seconds." in answer.text
    pass_by(wait)
    assert guess(client, RIGHT).status_code == 302


def test_it_says_it_in_chinese(client: Client, learner: User) -> None:
    shut(client)
    assert "密码输错次数太多，" in guess(client, language="zh-hans").text


def test_the_wait_never_grows(client: Client, learner: User) -> None:
    """Nobody is locked out by somebody who keeps trying."""
    shut(client)
    for _ in range(30):
        assert int(guess(client).headers["Retry-After"]) <= throttle.PAIR.seconds
    pass_by(throttle.PAIR.seconds)
    assert guess(client, RIGHT).status_code == 302


def test_a_right_password_costs_nothing(client: Client, learner: User) -> None:
    for _ in range(3 * throttle.PAIR.burst):
        fresh = Client()
        assert guess(fresh, RIGHT).status_code == 302
    assert shut(client) == throttle.PAIR.burst


def test_another_address_is_another_person(client: Client, learner: User) -> None:
    shut(client)
    assert guess(client, RIGHT, address="198.51.100.1").status_code == 302


def test_another_account_of_the_same_address_goes_on(client: Client, learner: User) -> None:
    User.objects.create_user("zhou", password=RIGHT)
    shut(client)
    assert guess(client, RIGHT, name="zhou").status_code == 302


def test_many_addresses_share_one_account(learner: User) -> None:
    looked_at = 0
    for number in range(throttle.ACCOUNT.burst + 5):
        looked_at += guess(Client(), address=f"203.0.113.{number}").status_code == 200
    assert looked_at == throttle.ACCOUNT.burst


def test_one_address_cannot_try_every_account(learner: User) -> None:
    looked_at = 0
    for number in range(throttle.ADDRESS.burst + 5):
        looked_at += guess(Client(), name=f"somebody-{number}").status_code == 200
    assert looked_at == throttle.ADDRESS.burst


def test_a_browser_that_was_here_before_is_not_locked_out(client: Client, learner: User) -> None:
    assert guess(client, RIGHT).status_code == 302
    client.post("/accounts/sign-out/")
    for number in range(throttle.ACCOUNT.burst + 5):
        guess(Client(), address=f"203.0.113.{number}")
    shut(Client())
    assert guess(Client(), RIGHT, address="198.51.100.1").status_code == 429
    assert guess(client, RIGHT).status_code == 302


def test_such_a_browser_has_limits_of_its_own(client: Client, learner: User) -> None:
    guess(client, RIGHT)
    client.post("/accounts/sign-out/")
    assert shut(client) == throttle.KNOWN.burst


def test_such_a_browser_is_a_stranger_to_other_accounts(client: Client, learner: User) -> None:
    User.objects.create_user("zhou", password=RIGHT)
    guess(client, RIGHT)
    shut(Client(), name="zhou")
    assert guess(client, RIGHT, name="zhou").status_code == 429


@pytest.mark.parametrize("forged", ["", "zz", "616263", "616263206c696e"])
def test_a_forged_device_is_a_stranger(client: Client, learner: User, forged: str) -> None:
    client.cookies[throttle.DEVICE] = forged
    shut(client)
    assert guess(client, RIGHT).status_code == 429


def test_a_name_that_is_nobodys_looks_the_same(client: Client, learner: User) -> None:
    """Or the throttle would tell who is in the class."""
    assert shut(client, name="nobody") == shut(Client(), name="lin", address="198.51.100.1")


def test_what_was_typed_is_not_kept(client: Client, learner: User) -> None:
    guess(client, name="my secret password")
    assert Guesses.objects.exists()
    assert not any("secret" in row.key for row in Guesses.objects.all())


def test_the_sweeper_forgets_what_is_over(client: Client, learner: User) -> None:
    shut(client)
    sweep()
    assert Guesses.objects.exists()
    pass_by(3600)
    sweep()
    assert not Guesses.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_guesses_at_the_same_time_are_counted_too() -> None:
    def one(_: int) -> bool:
        with ExitStack() as stack:
            stack.callback(connection.close)
            request = RequestFactory().post(URL, REMOTE_ADDR="203.0.113.7")
            try:
                throttle.sign_in(request, "lin")
            except throttle.TooMany:
                return False
            return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(one, range(40))) == throttle.PAIR.burst


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("", "no address", True),
    ],
)
def test_an_address_is_what_one_subscriber_has(one: str, other: str, same: bool) -> None:
    assert (throttle.network(one) == throttle.network(other)) is same


def test_the_device_is_of_no_use_to_scripts(learner: User) -> None:
    response = HttpResponse()
    throttle.remember_device(response, learner)
    cookie = response.cookies[throttle.DEVICE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/accounts/"
