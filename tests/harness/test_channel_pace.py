"""The engine says how slow a sandbox is, and the grader's clock allows for it."""

from __future__ import annotations

import io
import os

from labs.harness.channel import Channel
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
