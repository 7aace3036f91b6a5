"""Waiting for a sandbox: what the run tells, and that it can be given up."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labs.harness import engine, leasing, manifest, submission
from labs.harness.events import Emitter, Event
from labs.harness.leasing import Leasing
from sandboxes.interface import Handle, Progress, Spec, StartFailed
from sandboxes.pool.client import GivingUp

ECHO = manifest.load("services/echo", Path(__file__).with_name("labs"))
LAB = dataclasses.replace(ECHO, sandbox="controlplane")


class FakePool:
    """A pool with one trait: slow to give, or it refuses."""

    def __init__(self, fails: bool = False) -> None:
        self.free, self.given, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.fails = fails

    @contextlib.contextmanager
    def lease(
        self,
        spec: Spec,
        on_queue: Callable[[int], None],
        on_progress: Callable[[Progress], None],
        giving_up: GivingUp,
        beside: int = 0,
    ) -> Iterator[Handle]:
        on_queue(2)
        if self.fails:
            raise StartFailed("etcd did not come up", "its log")
        self.free.wait(10)
        on_progress(Progress("etcd", done=True, seconds=0.5))
        self.given.set()
        try:
            yield Handle("controlplane", "cp-1", "boot", {"netns": "/proc/1/ns/net"})
        finally:
            self.ended.set()


def told(events: list[Event]) -> list[str]:
    return [event["text"]["en"] for event in events if event["type"] == "step"]


def test_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, events = FakePool(), list[Event]()
    monkeypatch.setattr(leasing, "client", pool)
    with Leasing(LAB, Emitter(events.append)) as asked:
        assert not asked.done(0.05)
        pool.free.set()
        assert asked.done(5)
        assert asked.result() == {"netns": "/proc/1/ns/net"}
        assert asked.parts().keys() == {"queue", "lease"}
        assert not pool.ended.is_set()
    assert pool.ended.is_set()
    assert told(events) == ["waiting for a sandbox: number 2 in line", "etcd is up"]


def test_a_run_that_gave_up_gives_the_sandbox_back_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = FakePool()
    monkeypatch.setattr(leasing, "client", pool)
    with Leasing(LAB, Emitter(lambda event: None)):
        pass
    pool.free.set()
    assert pool.ended.wait(5)


def test_what_leasing_raised_is_raised_to_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "client", FakePool(fails=True))
    with Leasing(LAB, Emitter(lambda event: None)) as asked:
        assert asked.done(5)
        with pytest.raises(StartFailed):
            asked.result()


@pytest.mark.system
def test_a_sandbox_that_does_not_start_is_internal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "client", FakePool(fails=True))
    monkeypatch.setattr(engine, "_HEAD_START", 0.0)
    verdict = engine.grade(LAB, submission.read_dir(ECHO.folder / "solution"), lambda event: None)
    assert verdict.verdict == "internal"
    assert "etcd did not come up" in verdict.log


@pytest.mark.system
def test_a_wait_that_no_queue_explains_is_internal(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = FakePool()
    monkeypatch.setattr(leasing, "client", pool)
    monkeypatch.setattr(leasing, "LONGEST_WAIT_SECONDS", 1.0)
    verdict = engine.grade(LAB, submission.read_dir(ECHO.folder / "solution"), lambda event: None)
    assert verdict.verdict == "internal"
    assert "no sandbox within 1 s" in verdict.log
    pool.free.set()
    assert pool.ended.wait(5)


@pytest.mark.system
def test_a_run_can_be_cancelled_while_it_waits_in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, cancel = FakePool(), threading.Event()
    monkeypatch.setattr(leasing, "client", pool)
    threading.Timer(3.0, cancel.set).start()
    begun = time.monotonic()
    with pytest.raises(engine.Cancelled):
        engine.grade(LAB, submission.read_dir(ECHO.folder / "solution"), lambda event: None, cancel)
    assert time.monotonic() - begun < 8
    pool.free.set()
    assert pool.ended.wait(5)


@pytest.mark.system
def test_code_that_does_not_compile_takes_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = FakePool()
    monkeypatch.setattr(leasing, "client", pool)
    monkeypatch.setattr(engine, "_HEAD_START", 30.0)
    bad = submission.Submission({"main.go": b"package main\n\nfunc main() { nope() }\n"})
    assert engine.grade(LAB, bad, lambda event: None).verdict == "error"
    assert not pool.given.is_set()


class TwoMachines(FakePool):
    """Gives machines, and notes in which order they were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.beside: list[int] = []

    @contextlib.contextmanager
    def lease(
        self,
        spec: Spec,
        on_queue: Callable[[int], None],
        on_progress: Callable[[Progress], None],
        giving_up: GivingUp,
        beside: int = 0,
    ) -> Iterator[Handle]:
        self.asked.append(spec.options["kernel"])
        self.beside.append(beside)
        self.free.wait(10)
        yield Handle("vm", f"vm-{spec.options['kernel']}", "boot", {"kernel": spec.options["kernel"]})


TRACER = dataclasses.replace(ECHO, sandbox="vm", kernels=("6.1", "6.12"))


def test_a_lab_with_two_kernels_leases_two_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = TwoMachines()
    pool.free.set()
    monkeypatch.setattr(leasing, "client", pool)
    with Leasing(TRACER, Emitter(lambda event: None)) as asked:
        assert asked.done(5)
        assert {kernel: handle.id for kernel, handle in asked.machines().items()} == {
            "6.1": "vm-6.1",
            "6.12": "vm-6.12",
        }
        assert asked.result() == {}
    assert pool.beside == [0, 1], "the second is not to wait until the first is given back"


def test_two_runs_gather_their_machines_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two places left and a run in each, both would wait for a second place for ever."""
    pool = TwoMachines()
    monkeypatch.setattr(leasing, "client", pool)
    with Leasing(TRACER, Emitter(lambda event: None)) as first:
        while not pool.asked:
            time.sleep(0.01)
        with Leasing(TRACER, Emitter(lambda event: None)) as second:
            assert not second.done(0.3)
            assert pool.asked == ["6.1"]
            pool.free.set()
            assert first.done(5)
            assert second.done(5)
    assert pool.asked == ["6.1", "6.12", "6.1", "6.12"]
