"""The wire format, from the host's side: whatever comes, in whatever pieces."""

from __future__ import annotations

import itertools
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.vm.frames import (
    MAX_DEPTH,
    MAX_HEADER,
    MAX_PAYLOAD,
    PADDING,
    BadFrame,
    Decoder,
    Frame,
    encode,
    loads,
)

SESSION = 7
_headers = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=10) | st.none(), max_size=4)
_frames = st.lists(
    st.builds(Frame, st.just(SESSION), _headers, st.binary(max_size=200)), min_size=1, max_size=5
)


def _head(header: int, payload: int, session: int = SESSION) -> bytes:
    """A frame's first 20 bytes, with their right checksum, whatever lengths they announce."""
    head = struct.pack(">4sBxHII", b"lmvm", 1, header, payload, session)
    return head + struct.pack(">I", zlib.crc32(head))


def _feed(decoder: Decoder, stream: bytes, cuts: list[int]) -> list[Frame]:
    edges = [0, *sorted(c % (len(stream) + 1) for c in cuts), len(stream)]
    return [frame for a, b in itertools.pairwise(edges) for frame in decoder.feed(stream[a:b])]


@given(_frames, st.lists(st.integers(0, 10_000), max_size=8))
def test_it_works(frames: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(map(encode, frames))
    assert _feed(Decoder(SESSION), stream, cuts) == frames


@given(st.binary(max_size=300), _frames, st.lists(st.integers(0, 10_000), max_size=8))
def test_it_skips_what_another_session_left(rest: bytes, frames: list[Frame], cuts: list[int]) -> None:
    old = encode(Frame(SESSION + 1, {"id": 1}, bytes(100)))
    stream = rest + old[:-1] + old + old[: len(old) // 2] + b"".join(map(encode, frames))
    assert _feed(Decoder(SESSION), stream, cuts) == frames


@given(st.binary(max_size=500))
def test_noise_is_nothing_or_an_error(noise: bytes) -> None:
    decoder = Decoder(SESSION)
    assert decoder.feed(noise) == []
    (first,) = decoder.feed(encode(Frame(SESSION, {})))
    assert first.payload == b""


@given(st.binary(min_size=20, max_size=500).filter(lambda noise: not noise.startswith(b"lmvm")))
def test_within_a_session_nothing_else_may_come(noise: bytes) -> None:
    decoder = Decoder(SESSION)
    decoder.feed(encode(Frame(SESSION, {"id": 1})))
    with pytest.raises(BadFrame):
        decoder.feed(noise)


@pytest.mark.parametrize(
    "text", [b"[]", b"7", b"{", b"\xff", b"[" * 10_000, b'{"a":' * 1000], ids=lambda t: repr(t[:6])
)
def test_a_header_is_an_object(text: bytes) -> None:
    good = encode(Frame(SESSION, {}))
    decoder = Decoder(SESSION)
    assert decoder.feed(good) == [Frame(SESSION, {})]
    with pytest.raises(BadFrame, match="header"):
        decoder.feed(_head(len(text), 0) + text)


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (MAX_HEADER + 1, 0),
        (2**16 - 1, 0),
        (2, MAX_PAYLOAD + 1),
        (2, 2**31),
        (2, 2**32 - 1),
        (2**16 - 1, 2**31),
    ],
)
@pytest.mark.parametrize("before", [b"", encode(Frame(SESSION, {"id": 1}))], ids=["first", "later"])
def test_a_frame_that_announces_too_much_is_refused_at_its_head(
    before: bytes, header: int, payload: int
) -> None:
    decoder = Decoder(SESSION)
    decoder.feed(before)
    head = _head(header, payload)
    assert decoder.feed(head[:-1]) == []
    with pytest.raises(BadFrame, match=f"{header} and {payload} bytes"):
        decoder.feed(head[-1:])


def test_what_another_session_announced_is_skipped_however_much_it_is() -> None:
    decoder, mine = Decoder(SESSION), Frame(SESSION, {"id": 1})
    assert decoder.feed(_head(2, 2**31, SESSION + 1) + encode(mine)) == [mine]


def test_it_holds_no_more_than_a_frame() -> None:
    decoder = Decoder(SESSION)
    for _ in range(100):
        assert decoder.feed(PADDING) == []
    assert decoder.skipped > 99 * len(PADDING)
    largest = Frame(SESSION, {"x": "y" * (MAX_HEADER - 20)}, bytes(MAX_PAYLOAD))
    assert decoder.feed(encode(largest)) == [largest]


@pytest.mark.parametrize("frame", [Frame(1, {"x": "y" * MAX_HEADER}), Frame(1, {}, bytes(MAX_PAYLOAD + 1))])
def test_it_refuses_to_send_what_nobody_takes(frame: Frame) -> None:
    with pytest.raises(ValueError, match="too long"):
        encode(frame)


def test_both_sides_write_the_same_bytes() -> None:
    header: dict[str, Any] = {"id": 1}
    assert encode(Frame(0x01020304, header, b"p")).hex() == (
        "6c6d766d0100000900000001010203040a849773" + b'{"id": 1}p'.hex()
    )


@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_what_nests_too_deep_for_others_is_refused(opens: str, closes: str) -> None:
    def nested(levels: int) -> bytes:
        return (opens * levels + "0" + closes * levels).encode()

    loads(nested(MAX_DEPTH))
    with pytest.raises(ValueError, match="nests deeper"):
        loads(nested(MAX_DEPTH + 1))
