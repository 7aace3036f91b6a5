"""Workers have the pool of their machine keep spares, and tell a pool that was started anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import signals
from made import a_run

from labs.harness.leasing import sandbox_specs
from lastmile import celery
from lastmile.accounts.models import User
from lastmile.practice import catalog, lifecycle, spares, work
from lastmile.practice.models import Run
from sandboxes.interface import Spec


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Spec]:
    """What the pool was asked to keep."""
    said: list[Spec] = []

    def keep_warm(spec: Spec, count: int) -> bool:
        assert count == 1
        said.append(spec)
        return True

    monkeypatch.setattr(spares.client, "keep_warm", keep_warm)
    return said


def test_a_worker_that_is_ready_asks_for_what_the_labs_lease(asked: list[Spec]) -> None:
    signals.worker_ready.send(sender=celery.app)
    assert asked == [spec for lab in catalog.everything() for spec in sandbox_specs(lab).values()]
    assert {spec.kind for spec in asked} == {"controlplane", "vm"}


def test_each_kernel_of_a_lab_has_a_spare(asked: list[Spec]) -> None:
    lab = catalog.get_or_404("tracers/lifecycle")
    assert spares.ask_for([lab]) == 2
    assert [spec.options["kernel"] for spec in asked] == list(lab.kernels)


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError(), ValueError("no JSON")])
def test_a_pool_that_does_not_answer_is_no_error(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def keep_warm(spec: Spec, count: int) -> bool:
        raise error

    monkeypatch.setattr(spares.client, "keep_warm", keep_warm)
    assert spares.ask_for(catalog.everything()) == 0


@pytest.mark.django_db(transaction=True)
def test_a_run_asks_anew(
    owner: User, fake_labs: Path, asked: list[Spec], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(work.spares, "ask_for", lambda labs: told.extend(lab.slug for lab in labs))
    run: Run = a_run(owner)
    claim = lifecycle.claim(run.id, run.attempt, "worker")
    assert claim is not None
    work.Attempt(claim).run()
    assert told == [run.lab]
