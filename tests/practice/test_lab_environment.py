"""/labs/…/environment: whether a fresh sandbox waits for a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.test import Client
from made import a_run
from pytest_django import Settings

from lastmile.accounts.models import User
from lastmile.practice import catalog, environment
from sandboxes.interface import Spec

URL = "/labs/fakes/quick/environment"
IDLE = {"capacity": 2, "leased": 0, "queued": 0, "warm": 0, "starting": 0, "memory_available_bytes": 1 << 30}

pytestmark = pytest.mark.usefixtures("fake_labs")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, fake_labs: Path) -> dict[str, int]:
    """What the pool says. The lab wants a control plane, which the fakes do without."""
    status = dict(IDLE)
    find = catalog.find

    def found(slug: str) -> object:
        lab = find(slug)
        return lab and replace(lab, sandbox="controlplane")

    def said(spec: Spec | None = None) -> dict[str, int]:
        assert spec is not None
        assert spec.kind == "controlplane"
        return status

    monkeypatch.setattr(catalog, "find", found)
    monkeypatch.setattr(environment.client, "status", said)
    return status


def ask(client: Client, user: User) -> dict[str, object]:
    client.force_login(user)
    answer = client.get(URL)
    assert answer.status_code == 200
    said: dict[str, object] = answer.json()
    return said


def test_it_works(client: Client, owner: User, pool: dict[str, int]) -> None:
    pool["warm"] = 1
    assert ask(client, owner) == {"state": "ready", "queued": 0}


@pytest.mark.parametrize(
    ("now", "state"),
    [
        ({}, "cold"),
        ({"starting": 1}, "warming"),
        ({"warm": 1, "starting": 1}, "ready"),
        ({"warm": 1, "leased": 1}, "ready"),
        ({"warm": 1, "leased": 2}, "busy"),
    ],
)
def test_it_says_what_a_run_would_find(
    client: Client, owner: User, pool: dict[str, int], now: dict[str, int], state: str
) -> None:
    pool |= now
    assert ask(client, owner)["state"] == state


def test_a_queue_goes_before_a_spare(
    client: Client, owner: User, classmate: User, pool: dict[str, int]
) -> None:
    pool["warm"] = 1
    a_run(classmate)
    assert ask(client, owner) == {"state": "busy", "queued": 1}


@pytest.mark.parametrize("trouble", [OSError("gone"), ValueError("no JSON")])
def test_a_pool_that_does_not_answer_is_unknown(
    client: Client, owner: User, pool: dict[str, int], trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(spec: Spec | None = None) -> None:
        raise trouble

    monkeypatch.setattr(environment.client, "status", silent)
    assert ask(client, owner)["state"] == "unknown"


def test_a_site_without_a_pool_says_nothing(client: Client, owner: User, settings: Settings) -> None:
    assert ask(client, owner)["state"] == "unknown"


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get(URL).status_code == 401
