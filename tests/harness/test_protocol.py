"""What engine and grader may say to each other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.machine_operations import OPERATIONS
from labs.harness.protocol import (
    FROM_GRADER,
    GUEST_OPERATIONS,
    MAX_LINE,
    TO_GRADER,
    BrokenProtocol,
    decode,
    encode,
)


def line(**message: object) -> bytes:
    return json.dumps(message).encode()


def test_it_works() -> None:
    message = {"type": "reply", "id": 1, "error": "没有", "refused": "", "lost": {}}
    assert decode(encode(message), TO_GRADER) == message


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b"[]",
        line(type="reboot"),
        line(type="request", id=1, do="run_shell", process=1, env={}, args=[], kernel=""),
        line(type="request", id="1", do="start_operator", process=1, env={}, args=[], kernel=""),
        line(type="event", event="verdict", fields={"verdict": "pass"}),
        line(type="event", event="check", fields={"check": "a", "status": "won"}),
        line(type="event", event="step", fields={"source": "grader", "text": {}, "seq": 1}),
        b" " * (MAX_LINE + 1),
    ],
)
def test_what_a_grader_may_not_say_is_refused(bad: bytes) -> None:
    with pytest.raises(BrokenProtocol):
        decode(bad, FROM_GRADER)


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(BrokenProtocol):
        encode({"type": "broken", "log": "x" * (MAX_LINE + 1)})


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(BrokenProtocol):
        decode(noise, FROM_GRADER)


def test_the_engine_does_every_operation_of_a_guest_and_no_other() -> None:
    assert set(OPERATIONS) == set(GUEST_OPERATIONS)


def test_the_largest_sources_reach_the_grader() -> None:
    sources = {f"bpf/{n}.h": "\x01" * (255 << 10) for n in range(4)}
    message = {"type": "go", "sources": sources}
    assert decode(encode(message), TO_GRADER) == message


def test_the_longest_failure_fits_a_message() -> None:
    said = "\x01" * 1_000_000
    failed = Failed(*[Text(said, said)] * 4, command=said)
    message = {
        "type": "event",
        "event": "check",
        "fields": {"check": "x", "status": "failed", "failure": failed.json()},
    }
    assert decode(encode(message), FROM_GRADER)["fields"]["failure"]["saw"]["en"].endswith("…")
