"""What the home page says of the lab where one stopped."""

from __future__ import annotations

import pytest
from django.test import Client
from made import a_run, finished

from lastmile.accounts.models import User
from lastmile.practice import lifecycle

pytestmark = pytest.mark.usefixtures("fake_labs")


def test_home_says_what_became_of_the_last_submission(owner: User) -> None:
    run = a_run(owner)
    claim = lifecycle.claim(run.pk, 0, "worker")
    assert claim is not None
    rows = tuple(
        {"check_id": name, "position": n, "status": "skipped"} for n, name in enumerate(("first", "second"))
    )
    lifecycle.finish(claim, lifecycle.Result("error", total=2, checks=rows), [])
    assert "没有走到检查这一步" in _home(owner)


def test_our_fault_takes_no_pass_from_home(owner: User) -> None:
    finished(owner, "pass")
    assert "参考解" in _home(owner)
    run = a_run(owner)
    for attempt in range(3):
        claim = lifecycle.claim(run.pk, attempt, "worker")
        assert claim is not None
        lifecycle.finish(claim, lifecycle.Result("internal"), [])
    run.refresh_from_db()
    assert run.quarantined
    assert "参考解" in _home(owner)


def _home(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.get("/").content.decode()
