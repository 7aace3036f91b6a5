"""Whose doing it is that a machine's agent says no to the start of a program."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from labs.harness import manifest
from labs.harness.channel import Channel, GuestRefused, Refused
from labs.harness.events import Emitter
from labs.harness.jails import Jails
from labs.harness.machine import Machine
from labs.harness.process import Operator
from labs.harness.protocol import encode
from labs.harness.session import Options, Session
from sandboxes.vm.errors import Refused as AgentRefused

LAB = manifest.load("tracers/states", Path(__file__).with_name("labs"))


class Full:
    """A machine whose disk is full. `used`: the learner's program has run in it."""

    def __init__(self, used: bool) -> None:
        self.used = used

    def start(self, *_: Any) -> None:
        raise AgentRefused("no space left on device")


def reply(guest: Full, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the grader hears when it asks for a start."""
    sent: list[dict[str, Any]] = []
    emitter = Emitter(lambda _: None)
    with Jails() as jails:
        session = Session(
            LAB, {}, jails, emitter, threading.Condition(), lambda *_: None, seed=1, options=Options()
        )
        session._machine = cast("Machine", guest)
        monkeypatch.setattr(session, "_send", lambda type_, **fields: sent.append({"type": type_, **fields}))
        session._request({"id": 1, "do": "start_operator", "process": 2, "env": {}, "args": []})
    return sent[0]


def asked(told: dict[str, Any]) -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as source, os.fdopen(write, "wb") as engine:
        channel = Channel(source, io.BytesIO())
        channel.follow()
        engine.write(encode(told))
        engine.flush()
        channel.ask("start_operator", process=2)


def test_where_the_learners_program_has_run_a_check_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GuestRefused, match="no space left") as refused:
        asked(reply(Full(used=True), monkeypatch))
    assert "虚拟机里做不到" in refused.value.what.zh


def test_in_a_machine_that_only_we_have_used_it_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="no space left"):
        asked(reply(Full(used=False), monkeypatch))


def test_a_start_that_was_refused_leaves_nothing_to_kill() -> None:
    asked: list[str] = []

    def ask(do: str, **_: Any) -> None:
        asked.append(do)
        raise GuestRefused("no such file")

    operator = Operator(ask, lambda: False)
    with pytest.raises(GuestRefused):
        operator.launch()
    assert not operator.running
    operator.kill()
    assert asked == ["start_operator"]
