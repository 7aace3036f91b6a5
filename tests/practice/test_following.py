"""GET /runs/<id>/events for many readers, through the ups and downs of a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import OperationalError
from django.test import Client
from made import a_run, finished

from lastmile.accounts.models import User
from lastmile.practice import follow, lifecycle
from lastmile.practice.follow import Follower, Place
from lastmile.practice.models import Run, State

pytestmark = pytest.mark.usefixtures("fake_labs")


def _steps(run: Run, changes: list[Callable[[], object]]) -> list[str]:
    """What the reader is sent in the step after each change."""

    async def go() -> list[str]:
        follower = Follower(run, Place())
        sent = []
        for change in changes:
            await sync_to_async(change)()
            await follower._refresh()
            sent.append(b"".join([part async for part in follower._step()]).decode())
        await follower.redis.aclose()
        return sent

    steps: list[str] = async_to_sync(go)()
    return steps


def test_the_page_hears_that_a_run_is_queued_again(owner: User) -> None:
    run = a_run(owner)
    claims: list[lifecycle.Claim] = []

    def begin() -> None:
        claim = lifecycle.claim(run.pk, 0, "worker")
        assert claim is not None
        lifecycle.beat(claim, State.GRADING)
        claims.append(claim)

    def fail() -> None:
        lifecycle.finish(claims[0], lifecycle.Result("internal"), [])

    first, grading, again = _steps(run, [lambda: None, begin, fail])
    assert "event: queue" in first
    assert "event: queue" not in grading
    assert "event: queue" in again
    assert '"again": false' in first
    assert '"published": false, "again": true' in again


def test_a_row_is_looked_at_when_a_run_is_silent_or_judged_and_not_for_each_event(owner: User) -> None:
    run = a_run(owner)
    claim = lifecycle.claim(run.pk, 0, "worker")
    assert claim is not None
    lifecycle.beat(claim, State.GRADING)
    run.refresh_from_db()
    follower = Follower(run, Place(1, 0))
    looks = []
    for seq, type_ in enumerate(["log", "log", "verdict"], 1):
        follower._sent({"seq": seq, "at": 0.0, "type": type_})
        looks.append(follower._may_have_changed())
    follower.judged = False
    for silent in (1.0, 2.0, 3.0):
        follower.idle_seconds = silent
        looks.append(follower._may_have_changed())
    async_to_sync(follower.redis.aclose)()
    assert looks == [False, False, True, False, False, True]


def test_a_reader_who_has_more_than_was_kept_of_a_withdrawn_run_gets_its_end(
    owner: User, client: Client
) -> None:
    run = a_run(owner)
    assert lifecycle.claim(run.pk, 0, "worker")
    lifecycle.withdraw(run.pk)
    client.force_login(owner)
    answer = client.get(f"/runs/{run.pk}/events", headers={"Last-Event-ID": "1-57"})
    said = b"".join(async_to_sync(_all)(answer)).decode()
    assert said.count("event: verdict") == said.count("event: end") == 1
    assert "This run was withdrawn" in said
    assert client.get(f"/runs/{run.pk}/events", headers={"Last-Event-ID": "1-1"}).status_code == 204


def test_while_the_database_is_away_it_says_so(
    owner: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(owner)
    client.force_login(owner)

    def away(*_: object) -> None:
        raise OperationalError("the server is restarting")

    monkeypatch.setattr(follow, "_look", away)
    answer = client.get(f"/runs/{run.pk}/events")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


def test_a_stream_that_stands_outlives_the_database(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("the server is restarting")

    monkeypatch.setattr(follow, "_position", away)
    assert _steps(a_run(owner), [lambda: None]) == [""]


def test_one_person_has_so_many_streams(owner: User, client: Client) -> None:
    run = finished(owner)
    client.force_login(owner)
    follow._streams[owner.pk] = follow.MOST_STREAMS
    try:
        assert client.get(f"/runs/{run.pk}/events").status_code == 429
    finally:
        del follow._streams[owner.pk]
    answer = client.get(f"/runs/{run.pk}/events")
    assert answer.status_code == 200
    assert b"event: end" in b"".join(async_to_sync(_all)(answer))
    assert not follow._streams


async def _all(answer: object) -> list[bytes]:
    return [part async for part in answer]  # type: ignore[attr-defined]


def test_a_proxy_s_own_sign_in_is_no_token(owner: User, client: Client) -> None:
    run = finished(owner)
    client.force_login(owner)
    assert client.get(f"/runs/{run.pk}/events", headers={"Authorization": "Basic eDp5"}).status_code == 200
    assert client.get(f"/runs/{run.pk}/events", headers={"Authorization": "Bearer lm_x"}).status_code == 401
