"""Hostile programs on the real Database lab: what the learner is told, and that nothing is left behind.

Each is Go in hostile/, of the standard library where that suffices, and every test of the learner's way out looks at
the one run of that program; two run at a time.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labs.harness import engine, manifest
from labs.harness.events import Event
from labs.harness.submission import Submission
from labs.harness.verdict import Verdict
from sandboxes import paths
from sandboxes.controlplane import ControlPlane
from sandboxes.jail.process import tag
from sandboxes.pool import client
from tests.sandboxes.machine import cgroups

pytestmark = pytest.mark.system

LAB = manifest.load("operators/database")
PROGRAMS = Path(__file__).with_name("hostile")
FIRST = engine.Options(only=("connects", "children"), advice=False)
_LONGEST_SECONDS = 300.0  # a bound against hanging, for a busy machine too; no figure of speed


@dataclass
class Run:
    """How one program fared."""

    verdict: Verdict
    events: list[Event]
    seconds: float

    def text(self, type_: str = "log") -> str:
        return "\n".join(event["text"] for event in self.events if event["type"] == type_)

    @property
    def steps(self) -> str:
        return "\n".join(event["text"]["en"] for event in self.events if event["type"] == "step")

    @property
    def failure(self) -> dict[str, Any]:
        """Of the first check that failed."""
        return next(row.failure for row in self.verdict.checks if row.failure is not None)


def grade(name: str, on_event: Any = None) -> Run:
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if on_event is not None:
            on_event(event)

    files = {"kube.go": PROGRAMS / "kube.go", "main.go": PROGRAMS / f"{name}.go"}
    handed_in = Submission({file: path.read_bytes() for file, path in files.items()})
    begun = time.monotonic()
    verdict = engine.grade(LAB, handed_in, emit, options=FIRST)
    return Run(verdict, events, time.monotonic() - begun)


NAMES = (
    "panics",
    "swallows",
    "shouts",
    "forks",
    "spins",
    "silent",
    "prowls",
    "hoards",
    "crowds",
    "floods",
)


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, Future[Run]]]:
    with ThreadPoolExecutor(2) as both:
        yield {name: both.submit(grade, name) for name in NAMES}


def _spoken(text: Any) -> None:
    assert text["en"], text
    assert any("\u4e00" <= letter <= "\u9fff" for letter in text["zh"]), text


@pytest.mark.parametrize("name", NAMES)
def test_it_works(runs: dict[str, Future[Run]], name: str) -> None:
    """A verdict of theirs, in both languages, and soon."""
    run = runs[name].result()
    verdict = run.verdict
    assert verdict.verdict in ("fail", "error"), (verdict.reason, verdict.log)
    assert run.seconds < _LONGEST_SECONDS, verdict.parts
    _spoken(verdict.reason.json())
    if verdict.verdict == "fail":
        for part in ("tried", "saw", "expected", "hint"):
            _spoken(run.failure[part])


def test_a_panic_is_told_with_its_lines(runs: dict[str, Future[Run]]) -> None:
    run = runs["panics"].result()
    assert run.verdict.verdict == "error"
    assert "panic: no way" in run.verdict.reason.zh
    assert "main.go:4" in run.verdict.reason.en


def test_a_memory_bomb_is_told_as_one(runs: dict[str, Future[Run]]) -> None:
    run = runs["swallows"].result()
    assert run.verdict.verdict == "error"
    assert "内存" in run.verdict.reason.zh
    assert "memory" in run.verdict.reason.en


def test_a_line_without_end_is_cut_and_cleaned(runs: dict[str, Future[Run]]) -> None:
    run = runs["shouts"].result()
    assert run.verdict.verdict == "error"
    assert "输出" in run.verdict.reason.zh
    assert "red </script><script>alert(1)</script> \ufffd\ufffd drow" in run.text()
    assert len(json.dumps(run.events)) < 4 << 20
    assert "\x1b" not in run.text() + run.verdict.reason.en


@pytest.mark.parametrize("name", ["spins", "silent"])
def test_a_program_that_never_connects_is_told_how_to(runs: dict[str, Future[Run]], name: str) -> None:
    run = runs[name].result()
    assert run.verdict.verdict == "fail"
    assert "20" in run.failure["saw"]["zh"]
    assert "KUBECONFIG" in run.failure["hint"]["zh"]


def test_no_door_was_open(runs: dict[str, Future[Run]]) -> None:
    """It replaced itself and left a daemon; it saw neither the host nor the grader, and changed nothing."""
    text = runs["prowls"].result().text()
    assert "DONE" in text, (runs["prowls"].result().steps, runs["prowls"].result().verdict)
    opened = [line for line in text.splitlines() if line.startswith("OPEN")]
    assert opened == ["OPEN daemon started"], opened
    assert "SEES [/tmp/other]" in text
    assert "SEES [/work/kubeconfig]" in text
    running = [line for line in text.splitlines() if line.startswith("RUNS")]
    assert all("other" in line or "kube-apiserver" in line or "bwrap" in line for line in running), running
    [environment] = [line for line in text.splitlines() if line.startswith("ENV")]
    assert not {"TOKEN", "PYTHON", "DATABASE", "REDIS", "SEED"} & set(environment.replace("=", " ").split())
    assert "no space left on device" in text


def test_a_hoard_is_bounded_and_its_reader_is_told(runs: dict[str, Future[Run]]) -> None:
    text = runs["hoards"].result().text()
    assert "EVENT 201" in text
    assert "LONG 414" in text


def test_a_crowd_of_connections_is_told_as_one(runs: dict[str, Future[Run]]) -> None:
    run = runs["crowds"].result()
    assert run.verdict.verdict == "error"
    assert "TCP 连接" in run.verdict.reason.zh


def test_a_flood_of_streams_does_not_end_the_gate(runs: dict[str, Future[Run]]) -> None:
    run = runs["floods"].result()
    assert "sandbox" not in run.verdict.log


def _planes() -> list[ControlPlane]:
    return [sandbox for sandbox in client._own.values() if isinstance(sandbox, ControlPlane)]


def _when_checked(do: Any) -> Any:
    """Call `do` once, in a thread of its own, when the first check has begun."""
    begun = threading.Event()

    def on_event(event: Event) -> None:
        if event["type"] == "check" and event["status"] == "running" and not begun.is_set():
            begun.set()
            do()

    return on_event


@pytest.mark.parametrize("part", ["apigate", "kube-apiserver"])
def test_a_part_that_ends_by_itself_is_ours_and_no_point_counts(
    runs: dict[str, Future[Run]], part: str
) -> None:
    [done.result() for done in runs.values()]
    run = grade("touches", _when_checked(lambda: _planes()[0].processes[part].kill()))
    assert run.verdict.verdict == "internal"
    assert part in run.verdict.log
    assert run.verdict.points == 0


def test_a_pass_in_a_sandbox_that_its_program_brought_down_is_none(
    runs: dict[str, Future[Run]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [done.result() for done in runs.values()]
    passed = threading.Event()

    def ailments(handle: Any, deep: bool = False) -> dict[str, str]:
        return {"apigate": "memory"} if passed.is_set() else {}

    monkeypatch.setattr(client, "ailments", ailments)
    run = grade("touches", lambda event: passed.set() if event.get("status") == "passed" else None)
    assert passed.is_set()
    assert (run.verdict.verdict, run.verdict.points) == ("error", 0)
    assert "内存" in run.verdict.reason.zh


REFUSED = {
    "cgo": ("main.go", 'package main\n\n// int f();\nimport "C"\n\nfunc main() {}\n'),
    "embedding": (
        "main.go",
        'package main\n\nimport _ "embed"\n\n//go:embed /etc/passwd\nvar s string\n\nfunc main() {}\n',
    ),
    "generate": ("main.go", "package main\n\n//go:generate sh -c id\n\nfunc main() {}\n"),
    "an own go.mod": ("go.mod", "module x\n\ntoolchain go1.99\n\nreplace a => /root\n"),
    "vendored code": ("vendor/a/a.go", "package a\n"),
    "an object file": ("x.syso", "\x7fELF"),
    "a workspace": ("go.work", "go 1.26\n\nuse /root\n"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_changes_the_build_is_refused_before_it(what: str) -> None:
    name, content = REFUSED[what]
    events: list[Event] = []
    files = {"main.go": b"package main\n\nfunc main() {}\n"} | {name: content.encode()}
    verdict = engine.grade(LAB, Submission(files), events.append, options=FIRST)
    if what == "generate":  # never run; it builds, and does nothing
        assert verdict.verdict == "error"
        return
    assert verdict.verdict == "error"
    _spoken(verdict.reason.json())
    [told] = [event for event in events if event["type"] == "diagnostic"]
    assert told["file"] == name
    assert not [event for event in events if event["type"] == "state" and event["state"] == "building"]


def test_nothing_is_left_behind(runs: dict[str, Future[Run]]) -> None:
    [done.result() for done in runs.values()]
    left = [*(paths.run_dir() / "sandboxes").glob("*/*")]
    assert [entry for entry in left if f'"pid": {os.getpid()}' in (entry / "owner").read_text()] == []
    assert client._own == {}
    assert cgroups(f"-{tag()}-") == set()
