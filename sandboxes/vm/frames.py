"""The wire format between the host and the guest's agent. Its twin is guest/internal/frame/frame.go.

A frame: magic, version, zero, header length (16 bits), payload length (32), session (32), CRC-32 of those
16 bytes; then a JSON object and a payload. What the guest sends is hostile until it is parsed: sizes are
bounded before anything is kept.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

VERSION = 1
MAX_HEADER = 16 << 10
MAX_PAYLOAD = 32 << 10
MAX_DEPTH = 50
# what a new client sends first: it fills up whatever frame a lost client left open
PADDING = bytes(MAX_HEADER + MAX_PAYLOAD)
_MAGIC = b"lmvm"
_HEAD = struct.Struct(">4sBxHII")
_CHECK = struct.Struct(">I")
_HEAD_BYTES = _HEAD.size + _CHECK.size


class BadFrame(Exception):
    """What came is not a frame, within a session in which only frames may come."""


@dataclass(frozen=True)
class Frame:
    session: int
    header: dict[str, Any]
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """Raises ValueError for a frame that no reader takes."""
    text = json.dumps(frame.header).encode()
    if len(text) > MAX_HEADER or len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(f"a frame of {len(text)} and {len(frame.payload)} bytes is too long")
    head = _HEAD.pack(_MAGIC, VERSION, len(text), len(frame.payload), frame.session)
    return head + _CHECK.pack(zlib.crc32(head)) + text + frame.payload


class Decoder:
    """Takes frames of one session off a stream, in whatever pieces it comes.

    Until the first frame of the session, everything else is skipped: remains of the client before. From
    then on every byte must belong to a frame of the session.
    """

    def __init__(self, session: int) -> None:
        self._session = session
        self._buffer = bytearray()
        self._strict = False
        self.skipped = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes. Raises BadFrame. Holds at most one frame more than was fed."""
        self._buffer += data
        frames: list[Frame] = []
        while (lengths := self._next_head()) is not None:
            header, payload = lengths
            end = _HEAD_BYTES + header + payload
            if len(self._buffer) < end:
                break
            frames.append(self._take(header, end))
        return frames

    def _take(self, header: int, end: int) -> Frame:
        session = _HEAD.unpack_from(self._buffer)[4]
        text = bytes(self._buffer[_HEAD_BYTES : _HEAD_BYTES + header])
        payload = bytes(self._buffer[_HEAD_BYTES + header : end])
        del self._buffer[:end]
        if session != self._session:
            raise BadFrame(f"a frame of session {session}")
        self._strict = True
        return Frame(session, _parse(text), payload)

    def _next_head(self) -> tuple[int, int] | None:
        """Lengths of the frame at the buffer's beginning, or None when more has to come."""
        while True:
            if len(self._buffer) >= _HEAD_BYTES and (lengths := self._head()) is not None:
                return lengths
            wait = len(self._buffer) < _HEAD_BYTES
            if wait and (self._strict or _MAGIC.startswith(self._buffer[:4])):
                return None
            if self._strict:
                raise BadFrame("something that is not a frame")
            at = self._buffer.find(_MAGIC[:1], 1)
            cut = at if at > 0 else len(self._buffer)
            del self._buffer[:cut]
            self.skipped += cut

    def _head(self) -> tuple[int, int] | None:
        magic, version, header, payload, session = _HEAD.unpack_from(self._buffer)
        (check,) = _CHECK.unpack_from(self._buffer, _HEAD.size)
        right = (
            magic == _MAGIC
            and version == VERSION
            and self._buffer[5] == 0
            # what another session left may be cut off: the lengths of such a head lead nowhere
            and (self._strict or session == self._session)
            and check == zlib.crc32(self._buffer[: _HEAD.size])
        )
        if not right:
            return None
        if header > MAX_HEADER or payload > MAX_PAYLOAD:
            # at its head: nothing of what it announces is waited for
            raise BadFrame(f"a frame of {header} and {payload} bytes")
        return header, payload


def loads(text: bytes) -> Any:
    """JSON whose numbers are finite, and which others can take apart: 1e999 and NaN are no answers, nor is what nests
    deeper than MAX_DEPTH. Raises ValueError, RecursionError.
    """
    value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    if _deeper(value, MAX_DEPTH):
        raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")
    return value


def _deeper(value: Any, most: int) -> bool:
    """Whether lists and objects nest deeper than `most` levels."""
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_deeper(each, most - 1) for each in inside)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _parse(text: bytes) -> dict[str, Any]:
    try:
        value = loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFrame(f"a header that is not JSON: {text[:80]!r}") from error
    if not isinstance(value, dict):
        raise BadFrame("a header that is not a JSON object")
    return value
