"""The host's end of the channel against agents that lie, with nothing behind them but a socket."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandboxes.vm import template
from sandboxes.vm.channel import Channel
from sandboxes.vm.client import Client
from sandboxes.vm.errors import Busy, Gone, GuestError, Malformed, Refused, Silent, TooLarge
from sandboxes.vm.frames import Frame, encode

Agent = Callable[[socket.socket, Frame], None]


class _Requests:
    """Frames from the host, of whatever session."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def next(self) -> Frame | None:
        while True:
            at = self._buffer.find(b"lmvm")
            if at >= 0 and len(self._buffer) >= at + 20:
                header, payload, session = struct.unpack_from(">HII", self._buffer, at + 6)
                end = at + 20 + header + payload
                if len(self._buffer) >= end:
                    text = self._buffer[at + 20 : at + 20 + header]
                    body = self._buffer[at + 20 + header : end]
                    self._buffer = self._buffer[end:]
                    return Frame(session, json.loads(text), body)
            try:
                data = self._connection.recv(1 << 16)
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data


@contextlib.contextmanager
def _channel(tmp_path: Path, agent: Agent) -> Iterator[Channel]:
    listener = template.listen(tmp_path / "agent")

    def serve() -> None:
        with listener:
            connection, _ = listener.accept()
        with connection:
            requests = _Requests(connection)
            while (frame := requests.next()) is not None:
                with contextlib.suppress(OSError):
                    agent(connection, frame)

    thread = threading.Thread(target=serve)
    thread.start()
    channel = Channel(tmp_path / "agent", 5)
    try:
        yield channel
    finally:
        channel.close()
        thread.join()


def _answer(frame: Frame, **header: object) -> bytes:
    return encode(Frame(frame.session, {"id": frame.header["id"], **header}))


def _part(frame: Frame, body: bytes) -> bytes:
    return encode(Frame(frame.session, {"id": frame.header["id"], "more": True}, body))


def _announcing(frame: Frame, payload: int) -> bytes:
    """The head of a frame that is to have so large a payload."""
    head = struct.pack(">4sBxHII", b"lmvm", 1, 2, payload, frame.session)
    return head + struct.pack(">I", zlib.crc32(head))


def _ask(channel: Channel, timeout: float = 5.0, limit: int = 100) -> tuple[dict[str, object], bytes]:
    return channel.request("op", {}, b"", timeout, limit)


def test_it_works(tmp_path: Path) -> None:
    def agent(connection: socket.socket, frame: Frame) -> None:
        connection.sendall(_part(frame, b"bo") + _part(frame, b"dy") + _answer(frame, ok={"a": 1}))

    with _channel(tmp_path, agent) as channel:
        assert _ask(channel) == ({"a": 1}, b"body")
        assert _ask(channel)[1] == b"body"


def test_many_threads_may_ask(tmp_path: Path) -> None:
    def agent(connection: socket.socket, frame: Frame) -> None:
        connection.sendall(_answer(frame, ok={"n": frame.header["args"]["n"]}))

    with _channel(tmp_path, agent) as channel:
        seen: dict[int, object] = {}

        def ask(n: int) -> None:
            seen[n] = channel.request("op", {"n": n}, b"", 5, 0)[0]["n"]

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == {n: n for n in range(20)}


def test_a_long_body_goes_in_pieces(tmp_path: Path) -> None:
    got: list[bytes] = []

    def agent(connection: socket.socket, frame: Frame) -> None:
        got.append(frame.payload)
        if frame.header.get("more") is not True:
            connection.sendall(_answer(frame, ok={}))

    body = bytes(range(256)) * 400
    with _channel(tmp_path, agent) as channel:
        channel.request("put", {}, body, 5, 0)
    assert b"".join(got) == body
    assert len(got) > 1


def test_an_error_of_the_agent_leaves_the_channel_open(tmp_path: Path) -> None:
    def agent(connection: socket.socket, frame: Frame) -> None:
        connection.sendall(_answer(frame, error="no such file"))

    with _channel(tmp_path, agent) as channel:
        for _ in range(2):
            with pytest.raises(Refused, match="no such file"):
                _ask(channel)


def test_an_answer_that_is_too_long_is_dropped_and_the_channel_goes_on(tmp_path: Path) -> None:
    def agent(connection: socket.socket, frame: Frame) -> None:
        pieces = 3 if frame.header["args"].get("short") is None else 1
        connection.sendall(_part(frame, bytes(40)) * pieces + _answer(frame, ok={}))

    with _channel(tmp_path, agent) as channel:
        with pytest.raises(TooLarge, match="100 bytes"):
            _ask(channel)
        assert channel.request("op", {"short": 1}, b"", 5, 100)[1] == bytes(40)


def test_an_answer_that_never_ends_is_bounded_in_time_and_memory(tmp_path: Path) -> None:
    stop = threading.Event()

    def agent(connection: socket.socket, frame: Frame) -> None:
        while not stop.is_set():
            connection.sendall(_part(frame, bytes(1 << 14)))

    with _channel(tmp_path, agent) as channel:
        begun = time.monotonic()
        tracemalloc.start()
        try:
            with pytest.raises(Silent):
                _ask(channel, timeout=0.5)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            stop.set()
        assert time.monotonic() - begun < 5
        # some reads of a socket and the frames in them
        assert peak < 4 << 20


def test_an_agent_that_says_nothing_is_silent(tmp_path: Path) -> None:
    with _channel(tmp_path, lambda *_: None) as channel, pytest.raises(Silent, match=r"op within 0\.1 s"):
        _ask(channel, timeout=0.1)


def test_an_answer_that_comes_late_hurts_nobody(tmp_path: Path) -> None:
    waiting: list[Frame] = []

    def agent(connection: socket.socket, frame: Frame) -> None:
        waiting.append(frame)
        if len(waiting) > 1:
            connection.sendall(b"".join(_answer(f, ok={"of": f.header["id"]}) for f in waiting))

    with _channel(tmp_path, agent) as channel:
        with pytest.raises(Silent):
            _ask(channel, timeout=0.1)
        assert _ask(channel)[0] == {"of": 2}


def test_a_guest_that_takes_nothing_in_is_silent(tmp_path: Path) -> None:
    stop = threading.Event()

    def agent(connection: socket.socket, frame: Frame) -> None:
        stop.wait(10)

    with _channel(tmp_path, agent) as channel:
        begun = time.monotonic()
        with pytest.raises(Silent):
            channel.request("put", {}, bytes(64 << 20), 0.5, 0)
        assert time.monotonic() - begun < 5
        stop.set()


def test_a_request_of_which_nothing_went_out_leaves_the_channel_whole(tmp_path: Path) -> None:
    holds, go_on = threading.Event(), threading.Event()

    def agent(connection: socket.socket, frame: Frame) -> None:
        if frame.header["op"] == "hold":
            holds.set()
            go_on.wait(20)
        connection.sendall(_answer(frame, ok={}))

    with _channel(tmp_path, agent) as channel:
        holding = threading.Thread(target=lambda: channel.request("hold", {}, b"", 20.0, 0))
        holding.start()
        assert holds.wait(10), "before that it still reads what is sent"
        with contextlib.suppress(BlockingIOError):
            while True:  # padding, as much as goes in
                channel._socket.send(bytes(1 << 16), socket.MSG_DONTWAIT)
        with pytest.raises(Silent):
            channel.request("ping", {}, b"", 0.3, 0)
        go_on.set()
        holding.join(20)
        assert channel.request("ping", {}, b"", 10.0, 0) == ({}, b"")


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        (lambda f: encode(Frame(f.session, {"id": 99, "ok": {}})), Malformed),
        (lambda f: encode(Frame(f.session, {"id": "1", "ok": {}})), Malformed),
        (lambda f: encode(Frame(f.session, {"id": [], "ok": {}})), Malformed),
        (lambda f: encode(Frame(f.session, {"ok": {}})), Malformed),
        (lambda f: _answer(f, ok="yes"), Malformed),
        (lambda f: _answer(f), Malformed),
        (lambda f: _answer(f, error=7), Malformed),
        (lambda f: _part(f, b"") + b"GET / HTTP/1.1\r\nHost: localhost", Malformed),
        (lambda f: _part(f, b"") + encode(Frame(f.session ^ 1, {"id": 1, "ok": {}})), Malformed),
        (lambda f: _announcing(f, 2**31), Malformed),
        (lambda f: _part(f, b"") + _announcing(f, 2**31), Malformed),
    ],
)
def test_a_lie_is_an_error_of_its_own(
    tmp_path: Path, lie: Callable[[Frame], bytes], error: type[GuestError]
) -> None:
    with (
        _channel(tmp_path, lambda connection, frame: connection.sendall(lie(frame))) as channel,
        pytest.raises(error),
    ):
        _ask(channel)


def test_who_waits_hears_that_the_machine_has_ended(tmp_path: Path) -> None:
    heard: list[object] = []

    def agent(connection: socket.socket, frame: Frame) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    with _channel(tmp_path, agent) as channel:
        channel.listen(5, lambda header, payload: heard.append(header))
        with pytest.raises(Gone):
            _ask(channel)
        with pytest.raises(Gone):
            _ask(channel)
    assert [type(h) for h in heard] == [Gone]


def test_events_go_to_their_program_and_to_nobody_else(tmp_path: Path) -> None:
    heard: list[tuple[object, bytes]] = []

    def agent(connection: socket.socket, frame: Frame) -> None:
        for program in (4, 5, "5", None):
            connection.sendall(encode(Frame(frame.session, {"event": "output", "program": program}, b"x")))
        connection.sendall(_answer(frame, ok={}))

    with _channel(tmp_path, agent) as channel:
        channel.listen(5, lambda header, payload: heard.append((header, payload)))
        _ask(channel)
        channel.unlisten(5)
    assert heard == [({"event": "output", "program": 5}, b"x")]


def test_events_that_nobody_waits_for_are_bounded(tmp_path: Path) -> None:
    """The reader is the host's to pay for."""

    def agent(connection: socket.socket, frame: Frame) -> None:
        many = encode(Frame(frame.session, {"event": "x", "program": 0}, b"")) * 100
        with contextlib.suppress(OSError):
            for _ in range(1000):
                connection.sendall(many)

    with _channel(tmp_path, agent) as channel, pytest.raises(Malformed, match="nobody asked for"):
        channel.request("x", {}, b"", 60, 0)


def test_a_listener_that_fails_is_told_to_who_waits(tmp_path: Path) -> None:
    def agent(connection: socket.socket, frame: Frame) -> None:
        connection.sendall(encode(Frame(frame.session, {"event": "output", "program": 5}, b"x")))

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with _channel(tmp_path, agent) as channel:
        # it fails again when it is told of the end
        with contextlib.suppress(ZeroDivisionError):
            channel.listen(5, broken)
        with pytest.raises(Gone, match="ZeroDivisionError"):
            _ask(channel)


def test_a_second_client_is_told_that_there_is_one(tmp_path: Path) -> None:
    with _channel(tmp_path, lambda *_: None) as channel:
        with pytest.raises(Busy):
            Channel(tmp_path / "agent", 0.05)
        channel.close()
        with pytest.raises(Gone):
            Channel(tmp_path / "agent", 0.05)


def test_a_machine_that_is_not_there_is_gone(tmp_path: Path) -> None:
    for path in (tmp_path / "agent", tmp_path / "nowhere" / "agent"):
        with pytest.raises(Gone):
            Channel(path, 0.05)


def test_output_in_the_agents_name_is_bounded(tmp_path: Path) -> None:
    """The agent keeps to the limit that it was given; a program that took over its port does not."""
    kept = bytearray()

    def agent(connection: socket.socket, frame: Frame) -> None:
        number = frame.header["args"]["program"]
        connection.sendall(_answer(frame, ok={"pid": 7}))
        for _ in range(1000):
            connection.sendall(
                encode(Frame(frame.session, {"event": "output", "program": number}, bytes(32 << 10)))
            )

    with _channel(tmp_path, agent) as channel:
        program = Client(channel).start(("/bin/x",), output_bytes=64 << 10, on_output=kept.extend)
        with pytest.raises(Malformed, match="does not send"):
            program.wait(10)
    assert len(kept) <= 64 << 10


@pytest.mark.parametrize(("event", "payload"), [("output", b""), ("other", b"x")])
def test_events_that_no_agent_sends_end_the_listening(tmp_path: Path, event: str, payload: bytes) -> None:
    """They would cost the host a processor without end, and count against no limit."""

    def agent(connection: socket.socket, frame: Frame) -> None:
        connection.sendall(_answer(frame, ok={"pid": 7}))
        header = {"event": event, "program": frame.header["args"]["program"]}
        connection.sendall(encode(Frame(frame.session, header, payload)))

    with _channel(tmp_path, agent) as channel:
        program = Client(channel).start(("/bin/x",))
        with pytest.raises(Malformed, match="does not send"):
            program.wait(10)


@pytest.mark.parametrize("pid", ["1e999", "NaN", '"x"', "[]", "null"])
def test_a_number_that_is_none_is_a_lie(tmp_path: Path, pid: str) -> None:
    def agent(connection: socket.socket, frame: Frame) -> None:
        connection.sendall(_answer(frame, ok={"pid": 55555}).replace(b"55555", pid.ljust(5).encode()))

    with _channel(tmp_path, agent) as channel, pytest.raises(Malformed):
        Client(channel).start(("/bin/x",))
