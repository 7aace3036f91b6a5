"""Labs and an engine with one trait each: quick, fails, slow, dies, raises, lies, curious.

They stand where the real engine would take half a minute to show how the platform behaves around it.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

from labs.harness.engine import Cancelled
from labs.harness.events import Emitter, Sink, Text
from labs.harness.manifest import Lab
from labs.harness.submission import Submission
from labs.harness.verdict import CheckResult, Verdict, Word

TRAITS = ("quick", "fails", "slow", "dies", "raises", "lies", "curious")
REASON = Text(zh="试过了", en="It was tried")
NASTY = "\x00 \ud800 \x1b[31m </script><img src=x onerror=alert(1)>\r\ndata: {}\n\n\u202e" + "x" * 1_000_000

MANIFEST = """
slug = "fakes/{name}"
track = "fakes"
chapter = "operators/reconcile"
level = "senior"
minutes = 1
skills = ["engineering.senior", "domain.junior"]
editable = ["*.go"]
sandbox = "none"
[title]
zh = "{name} 实验"
en = "{name} lab"
[build]
kind = "go"
[[checks]]
id = "first"
points = 3
section = "one"
[checks.title]
zh = "第一项"
en = "The first"
[[checks]]
id = "second"
points = 7
section = "two"
needs = ["first"]
[checks.title]
zh = "第二项"
en = "The second"
"""

HINTS = """
## first

### 1
Look at **one**.

### 2
Look closer.

## second

### 1
Nothing yet.
"""


def write(folder: Path) -> Path:
    """The folder with a lab for each trait."""
    for name in TRAITS:
        lab = folder / "fakes" / name
        for part in ("starter", "solution", "text/zh", "text/en"):
            (lab / part).mkdir(parents=True, exist_ok=True)
        (lab / "lab.toml").write_text(MANIFEST.format(name=name), "utf-8")
        (lab / "starter" / "main.go").write_text("package main\n\nfunc main() {}\n")
        (lab / "starter" / "go.mod").write_text("module fake\n")
        (lab / "solution" / "main.go").write_text("package main\n\n// the answer\nfunc main() {}\n")
        for language in ("zh", "en"):
            (lab / "text" / language / "hints.md").write_text(HINTS, "utf-8")
            (lab / "text" / language / "brief.md").write_text(f"# Brief {language}\n", "utf-8")
            (lab / "text" / language / "debrief.md").write_text(f"# Debrief {language}\n", "utf-8")
    return folder


def grade(
    lab: Lab, given: Submission, emit: Sink, cancel: threading.Event | None = None, seed: int = 0
) -> Verdict:
    """As engine.grade, by the trait in the lab's name."""
    trait = lab.slug.partition("/")[2]
    emitter = Emitter(emit)
    emitter.emit("state", state="building")
    emitter.emit("state", state="grading")
    emitter.emit("check", check="first", status="running")
    if trait == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if trait == "raises":
        raise RuntimeError("the fake engine broke, as it was told to")
    if trait == "slow":
        _wait_for_gate(cancel or threading.Event())
    if trait == "lies":
        emitter.emit("log", stream="operator", text=NASTY)
    if trait == "curious":
        emitter.emit("log", stream="operator", text=json.dumps(dict(os.environ)))
    emitter.emit("check", check="first", status="passed", seconds=0.1)
    return _end(
        emitter, "fail" if trait in ("fails", "lies") else "pass", NASTY[:60] if trait == "lies" else "saw"
    )


def _wait_for_gate(cancel: threading.Event) -> None:
    """Until the test makes the file, or the worker is told to stop."""
    gate = Path(os.environ["LASTMILE_TEST_GATE"])
    while not gate.exists():
        if cancel.wait(0.02):
            raise Cancelled


def _end(emitter: Emitter, word: Word, saw: str) -> Verdict:
    failure = None
    if word == "fail":
        pair = Text(saw, saw).json()
        failure = {"tried": pair, "saw": pair, "expected": pair, "hint": pair, "command": "kubectl get db"}
    second = CheckResult("second", "failed" if failure else "passed", 7, 0.2, failure)
    emitter.emit("check", check="second", status=second.status, seconds=0.2, failure=failure)
    passed = 1 if failure else 2
    verdict = Verdict(
        word,
        3 if failure else 10,
        10,
        passed,
        2,
        0.3,
        REASON,
        [CheckResult("first", "passed", 3, 0.1), second],
    )
    emitter.emit("verdict", **verdict.event())
    return verdict
