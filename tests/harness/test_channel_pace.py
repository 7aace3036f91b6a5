"""The engine says how slow a sandbox is, and the grader's clock allows for it; and it does one thing at a time."""

from __future__ import annotations

import io
import os
import threading

import pytest

from labs.harness.channel import Channel, Refused
from labs.harness.protocol import TO_GRADER, decode, encode


def test_it_works() -> None:
    read, write = os.pipe()
    told: list[float] = []
    with os.fdopen(read, "rb") as source, os.fdopen(write, "wb") as engine:
        channel = Channel(source, io.BytesIO())
        channel.on("pace", lambda message: told.append(message["factor"]))
        channel.follow()
        engine.write(encode({"type": "pace", "factor": 3.5}) + encode({"type": "go", "sources": {}}))
        engine.flush()
        assert channel.wait_go()
    assert told == [3.5]


def test_a_factor_is_a_number() -> None:
    assert decode(b'{"type": "pace", "factor": 1}', TO_GRADER)["factor"] == 1


def test_what_was_given_up_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is still at it, and would begin with what comes next only behind it."""
    monkeypatch.setattr("labs.harness.channel._SPARE_SECONDS", 0.0)
    read, write = os.pipe()
    with os.fdopen(read, "rb") as source, os.fdopen(write, "wb") as engine:
        channel = Channel(source, io.BytesIO())
        channel.follow()
        with pytest.raises(Refused, match="no answer"):
            channel.ask_guest("run", {}, 0.0)
        settled = threading.Thread(target=channel.settle, args=(30.0,))
        settled.start()
        settled.join(0.2)
        assert settled.is_alive()
        answer = {"type": "answer", "id": 1, "error": "", "lost": {}, "ok": {}, "body": ""}
        engine.write(encode(answer))
        engine.flush()
        settled.join(10)
        assert not settled.is_alive()
