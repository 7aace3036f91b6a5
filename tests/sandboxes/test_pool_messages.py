"""The pool's protocol, with whatever can be written into a socket."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.interface import Handle, Progress, Spec
from sandboxes.pool import messages

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_options = st.dictionaries(
    st.text(max_size=8), st.text(max_size=20) | st.integers() | st.lists(st.text(max_size=9)), max_size=4
)
_specs = st.builds(Spec, st.text(max_size=20), st.integers(0, 2**50), _options)


def _through(text: bytes) -> list[dict[str, Any]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        theirs.sendall(text)
        theirs.shutdown(socket.SHUT_WR)
        return list(messages.receive(ours))


@given(_specs)
def test_it_works(spec: Spec) -> None:
    (message,) = _through(json.dumps({"lease": messages.spec_json(spec)}).encode() + b"\n")
    assert messages.read_spec(message["lease"]) == spec


@given(_specs, _specs)
def test_equal_specs_and_only_they_stand_in_for_each_other(one: Spec, other: Spec) -> None:
    assert (messages.key(one) == messages.key(other)) == (
        messages.spec_json(one) == messages.spec_json(other)
    )
    turned = Spec(one.kind, one.memory_bytes, dict(reversed(one.options.items())))
    assert messages.key(turned) == messages.key(one)


@given(
    st.text(), st.text(), st.text(), st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4)
)
def test_a_handle_comes_back_whole(kind: str, id_: str, boot: str, data: dict[str, str]) -> None:
    handle = Handle(kind, id_, boot, data)
    assert messages.read_handle(json.loads(json.dumps(messages.handle_json(handle)))) == handle


@given(st.text(), st.booleans(), st.floats(allow_nan=False))
def test_progress_comes_back_whole(step: str, done: bool, seconds: float) -> None:
    progress = Progress(step, done, seconds)
    assert Progress(**json.loads(json.dumps(messages.progress_json(progress)))) == progress


@given(_json)
def test_no_spec_is_read_from_what_is_none(value: Any) -> None:
    try:
        spec = messages.read_spec(value)
    except (ValueError, KeyError, TypeError):
        return
    assert messages.spec_json(spec) | {"options": {}} == value | {"options": {}}


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_an_error(text: bytes) -> None:
    try:
        found = _through(text)
    except ValueError:
        return
    assert all(isinstance(message, dict) for message in found)


@pytest.mark.parametrize(
    "text", [b"[" * 100_000 + b"\n", b"[1]\n", b"\n", b"{\n", b"\xff\n", b'{"a": ' * 60_000]
)
def test_what_is_no_message(text: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.sendall(text)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ValueError):
            list(messages.receive(ours))
