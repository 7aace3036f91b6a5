"""One connection to the agent: requests with numbers, answers, events, deadlines, bounds."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandboxes.vm.errors import Busy, Gone, GuestError, Malformed, Refused, Silent, TooLarge
from sandboxes.vm.frames import MAX_PAYLOAD, PADDING, BadFrame, Decoder, Frame, encode

_READ_BYTES = 256 << 10
_LOCK_PAUSE_SECONDS = 0.005
# what may come before the agent's first answer: remains of other sessions
_MOST_SKIPPED = 16 << 20
# what may come that nobody waits for, as late answers do; each frame costs its reader more than its bytes
_MOST_IGNORED = 64 << 20
_FRAME_COSTS = 1 << 10

Listener = Callable[[Mapping[str, Any] | GuestError, bytes], None]


class _Call:
    """One request that waits."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.done = threading.Event()
        self.body = bytearray()
        self.too_large = False
        self.ok: dict[str, Any] | None = None
        self.error: GuestError | None = None

    def part(self, piece: bytes) -> None:
        if len(self.body) + len(piece) > self.limit:
            self.too_large = True
            self.body.clear()
        if not self.too_large:
            self.body += piece


class Channel:
    """Safe for several threads. Any breach of the protocol ends it, with the same error for everybody."""

    def __init__(self, path: Path, timeout: float) -> None:
        """Connect to the agent's socket. Raises Gone when nobody listens, Busy while another client has it."""
        self._session = secrets.randbits(32) or 1
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._calls: dict[int, _Call] = {}
        self._given_up: set[int] = set()
        self._listeners: dict[int, Listener] = {}
        self._ended: GuestError | None = None
        self._ignored = 0
        self._closed = threading.Event()
        self._socket, self._alone = _connect(path, timeout)
        self._reader = threading.Thread(target=self._read, name=f"agent {path.parent.name}", daemon=True)
        self._reader.start()
        self._send(PADDING, time.monotonic() + timeout)

    def listen(self, program: int, listener: Listener) -> None:
        """Have `listener` hear the events of a program, and the channel's end."""
        with self._lock:
            ended = self._ended
            self._listeners[program] = listener
        if ended is not None:
            raise ended

    def unlisten(self, program: int) -> None:
        with self._lock:
            self._listeners.pop(program, None)

    def request(
        self, operation: str, args: Mapping[str, Any], body: bytes, timeout: float, limit: int
    ) -> tuple[dict[str, Any], bytes]:
        """The answer's object and body. Raises what sandboxes.vm.errors has."""
        number, call = next(self._numbers), _Call(limit)
        with self._lock:
            if self._ended is not None:
                raise self._ended
            self._calls[number] = call
        deadline = time.monotonic() + timeout
        try:
            self._send_request(number, operation, args, body, timeout, deadline)
        except BaseException:
            self._give_up(number)
            raise
        if not call.done.wait(max(0.0, deadline - time.monotonic())):
            self._give_up(number)
            raise Silent(f"no answer to {operation} within {timeout:g} s")
        if call.error is not None:
            raise call.error
        if call.too_large:
            raise TooLarge(f"the answer to {operation} has more than {limit} bytes")
        assert call.ok is not None
        return call.ok, bytes(call.body)

    def close(self) -> None:
        """Idempotent. The next client may come when it returns."""
        self._end(Gone("the connection was closed"))
        if threading.current_thread() is not self._reader:
            self._closed.wait()

    def _send_request(
        self,
        number: int,
        operation: str,
        args: Mapping[str, Any],
        body: bytes,
        timeout: float,
        deadline: float,
    ) -> None:
        header: dict[str, Any] = {"id": number, "op": operation, "args": dict(args), "timeout": timeout}
        pieces = [body[at : at + MAX_PAYLOAD] for at in range(0, len(body), MAX_PAYLOAD)] or [b""]
        for index, piece in enumerate(pieces):
            if index + 1 < len(pieces):
                header["more"] = True
            try:
                self._send(encode(Frame(self._session, header, piece)), deadline)
            except Silent as silent:
                if index:  # nobody would ever send the agent the rest
                    self._end(silent)
                raise
            header = {"id": number}

    def _send(self, data: bytes, deadline: float) -> None:
        """Raises Silent when the guest does not take it in time; half a frame is the end of the channel."""
        left = max(0.001, deadline - time.monotonic())
        if not self._writing.acquire(timeout=left):
            raise Silent("the guest takes nothing in")
        view = memoryview(data)
        try:
            while view:
                _bound_send(self._socket, deadline - time.monotonic())
                view = view[self._socket.send(view) :]
        except BlockingIOError as error:
            silent = Silent("the guest takes nothing in")
            if len(view) < len(data):
                self._end(silent)
            raise silent from error
        except OSError as error:
            gone = self._ended or Gone(f"the machine has ended ({error.strerror or error})")
            self._end(gone)
            raise gone from error
        finally:
            self._writing.release()

    def _give_up(self, number: int) -> None:
        with self._lock:
            self._calls.pop(number, None)
            self._given_up.add(number)

    def _read(self) -> None:
        decoder = Decoder(self._session)
        reason: GuestError = Gone("the machine has ended")
        try:
            while data := self._socket.recv(_READ_BYTES):
                for frame in decoder.feed(data):
                    self._take(frame)
                if decoder.skipped > _MOST_SKIPPED:
                    raise BadFrame("nothing of this session comes")
        except (BadFrame, Malformed) as error:
            reason = Malformed(str(error))
        except OSError as error:
            reason = Gone(f"the machine has ended ({error.strerror or error})")
        except Exception as error:  # noqa: BLE001  a listener's fault must reach those who wait, not only a log
            reason = Gone(f"a listener failed: {error!r}")
        self._end(reason)
        # here and not in _end: no other thread may close what this one reads from
        self._socket.close()
        os.close(self._alone)
        self._closed.set()

    def _take(self, frame: Frame) -> None:
        if "event" in frame.header:
            self._event(frame)
            return
        number = frame.header.get("id")
        if not isinstance(number, int):
            raise Malformed(f"an answer to {number!r:.40}")
        with self._lock:
            call = self._calls.get(number)
            late = number in self._given_up
        if call is None:
            if late:
                self._ignore(frame)
                return
            raise Malformed(f"an answer to {number!r:.40}, which nobody asked for")
        if frame.header.get("more") is True:
            call.part(frame.payload)
            return
        with self._lock:
            self._calls = {n: c for n, c in self._calls.items() if c is not call}
        _finish(call, frame.header)

    def _event(self, frame: Frame) -> None:
        program = frame.header.get("program")
        with self._lock:
            listener = self._listeners.get(program) if isinstance(program, int) else None
        if listener is None:  # a program that a client before this one started has nobody to hear it
            self._ignore(frame)
        else:
            listener(frame.header, frame.payload)

    def _ignore(self, frame: Frame) -> None:
        """Raises Malformed for more than an agent would send in vain: the reader is its host's to pay for."""
        self._ignored += len(frame.payload) + _FRAME_COSTS
        if self._ignored > _MOST_IGNORED:
            raise Malformed("too much that nobody asked for")

    def _end(self, reason: GuestError) -> None:
        with self._lock:
            if self._ended is not None:
                return
            self._ended = reason
            calls, listeners = list(self._calls.values()), list(self._listeners.values())
            self._calls.clear()
            self._listeners.clear()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for call in calls:
            call.error = reason
            call.done.set()
        for listener in listeners:
            # who failed before may fail again; the others still have to hear it
            with contextlib.suppress(Exception):
                listener(reason, b"")


def _finish(call: _Call, header: Mapping[str, Any]) -> None:
    ok = header.get("ok")
    if isinstance(header.get("error"), str):
        call.error = Refused(header["error"][:2000])
    elif isinstance(ok, dict):
        call.ok = ok
    else:
        call.error = Malformed("an answer that is neither a result nor an error")
    call.done.set()


def _bound_send(connection: socket.socket, seconds: float) -> None:
    """Bound the next send alone: a timeout of Python's own would hold for the reader as well (man 7 socket)."""
    micros = max(1000, int(seconds * 1e6))
    connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", micros // 1_000_000, micros % 1_000_000)
    )


def _connect(path: Path, timeout: float) -> tuple[socket.socket, int]:
    """The connection, and the lock that says that it is the only one. Raises Gone, Busy."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Gone(f"the machine is not there ({error.strerror})") from error
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError:  # this process has no descriptor left: that is not the machine's end
        os.close(folder)
        raise
    try:
        # QEMU would leave a second client in its backlog, without a word
        _lock(folder, time.monotonic() + timeout)
        # by a descriptor of the folder: a Unix socket's path has at most 107 letters
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError as error:
        connection.close()
        os.close(folder)
        raise Gone(f"nobody listens at the machine's channel ({error.strerror or error})") from error
    except Busy:
        connection.close()
        os.close(folder)
        raise
    return connection, folder


def _lock(folder: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise Busy("another client holds the machine's channel") from error
        # the kernel's own wait for a lock has no deadline
        time.sleep(_LOCK_PAUSE_SECONDS)
