"""/labs/…/environment: whether a fresh sandbox waits for a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.test import Client
from made import a_run
from pytest_django import Settings

from lastmile.accounts.models import User
from lastmile.practice import catalog, environment, presence
from lastmile.practice.models import Run
from sandboxes.interface import Spec, Unavailable

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


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every queue is served."""
    monkeypatch.setattr(presence, "unserved", lambda queues: [])


def ask(client: Client, user: User) -> dict[str, object]:
    client.force_login(user)
    answer = client.get(URL)
    assert answer.status_code == 200
    said: dict[str, object] = answer.json()
    return said


def test_it_works(client: Client, owner: User, pool: dict[str, int]) -> None:
    pool["warm"] = 1
    assert ask(client, owner) == {"state": "ready", "queued": 0}


def test_without_a_worker_a_ready_sandbox_is_no_use(
    client: Client, owner: User, pool: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool["warm"] = 1
    monkeypatch.setattr(presence, "unserved", lambda queues: list(queues))
    assert ask(client, owner) == {"state": "away", "queued": 0}


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


@pytest.fixture
def two_machines(pool: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, int]]:
    """What the pool says of each kernel's machines; the lab runs on two."""
    machines = {"6.1": dict(IDLE), "6.12": dict(IDLE)}
    find = catalog.find
    monkeypatch.setattr(
        catalog, "find", lambda slug: replace(find(slug), sandbox="vm", kernels=tuple(machines))
    )
    monkeypatch.setattr(environment.client, "status", lambda spec=None: machines[str(spec.options["kernel"])])
    return machines


@pytest.mark.parametrize(
    ("on_6_1", "on_6_12", "state"),
    [
        ({"warm": 1}, {"warm": 1}, "ready"),
        ({"warm": 1}, {}, "cold"),
        ({"warm": 1}, {"starting": 1}, "warming"),
        ({"warm": 1, "leased": 1}, {"warm": 1, "leased": 1}, "busy"),
        ({"warm": 1, "leased": 2, "capacity": 4}, {"warm": 1, "leased": 2, "capacity": 4}, "ready"),
    ],
)
def test_a_run_on_two_kernels_needs_two_machines(
    client: Client,
    owner: User,
    two_machines: dict[str, dict[str, int]],
    on_6_1: dict[str, int],
    on_6_12: dict[str, int],
    state: str,
) -> None:
    two_machines["6.1"] |= on_6_1
    two_machines["6.12"] |= on_6_12
    assert ask(client, owner)["state"] == state


class Missing:
    """A provider that lacks something on this machine. `asked` counts its probes."""

    asked = 0

    def probe(self) -> None:
        type(self).asked += 1
        raise Unavailable("missing Linux 6.1 below /somewhere: make setup")


@pytest.fixture
def missing(pool: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> type[Missing]:
    monkeypatch.setattr(environment, "_probed", {})
    monkeypatch.setattr(environment, "provider", lambda kind: Missing())
    monkeypatch.setattr(environment.client, "is_here", lambda: True)
    monkeypatch.setattr(Missing, "asked", 0)
    return Missing


def test_a_lab_that_cannot_run_here_says_so_before_anybody_submits(
    client: Client, owner: User, missing: type[Missing]
) -> None:
    client.force_login(owner)
    english = {"accept-language": "en"}
    for url in ("/labs/fakes/quick/", "/labs/"):
        page = client.get(url, headers=english).content.decode()
        assert "run" in page
        assert "for now" in page, url
        assert "/somewhere" not in page, "paths of the machine are for its log"
    assert missing.asked == 1, "it is not tried for each lab of each page"
    answer = client.post(
        "/labs/fakes/quick/submit", {"files": {"main.go": "package main"}}, "application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "no_sandbox")
    assert not Run.objects.exists()


def test_a_site_whose_workers_are_elsewhere_does_not_judge_by_its_own_machine(
    client: Client, owner: User, missing: type[Missing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.client, "is_here", lambda: False)
    client.force_login(owner)
    assert "for now" not in client.get("/labs/", headers={"accept-language": "en"}).content.decode()
    assert missing.asked == 0
