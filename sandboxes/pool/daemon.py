"""The pool's daemon: one thread a connection, one connection a lease."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandboxes import reaper
from sandboxes.interface import Progress, Sandbox, Spec, Unavailable
from sandboxes.pool import messages
from sandboxes.pool.admission import Admission, Gone, memory_available
from sandboxes.pool.client import ailments_of, run_delay_of
from sandboxes.pool.stock import ProviderOf, Stock

log = logging.getLogger("lastmile.pool")
_SWEEP_SECONDS = 30.0
_LOOK_MS = 1000
# how long a connection may take to end when the daemon does, before it is told of, and at most
_END_SECONDS, _LONGEST_END_SECONDS = 5.0, 30.0


def _gone(connection: socket.socket) -> bool:
    """Whether the other side has closed. It sends nothing while it waits."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    if not poll.poll(0):
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def _stack(thread: threading.Thread) -> str:
    """Where it is now."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "".join(traceback.format_stack(frame)) if frame else ""


class AlreadyServed(Exception):
    """Another daemon of this machine serves the socket."""


class _Abandoned(Exception):
    """Nobody waits any more for what is being started."""


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder of the socket. Raises AlreadyServed when another daemon does."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyServed(f"another pool serves below {folder}") from error
        yield
    finally:
        os.close(fd)


class Daemon:
    """Serves until `stop`; then every sandbox is ended."""

    def __init__(self, path: Path, provider: ProviderOf, admission: Admission | None = None) -> None:
        self.path = path
        self._provider = provider
        self.admission = admission or Admission()
        self.stock = Stock(provider)
        self._stopping = threading.Event()
        self._wake = os.eventfd(0)
        self._live: set[threading.Thread] = set()
        self._connections: set[socket.socket] = set()
        self._held: dict[str, Sandbox] = {}
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Raises AlreadyServed when there is a daemon here."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path.parent):
            self._serve()

    def _serve(self) -> None:
        for name in reaper.sweep():
            log.info("removed what was left behind: %s", name)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            self._listen(listener)
            self.stock.start()
            threading.Thread(target=self._sweep, name="sweep", daemon=True).start()
            try:
                self._accept(listener)
            finally:
                self.path.unlink(missing_ok=True)
                self._end()

    def _listen(self, listener: socket.socket) -> None:
        """Open the socket under another name first: who finds it is never refused, and never too early."""
        staging = self.path.with_name(f".{self.path.name}")
        staging.unlink(missing_ok=True)
        listener.bind(str(staging))
        staging.chmod(0o600)
        listener.listen(64)
        listener.setblocking(False)
        staging.rename(self.path)

    def stop(self) -> None:
        """May be called from a signal handler."""
        self._stopping.set()
        os.eventfd_write(self._wake, 1)

    def _sweep(self) -> None:
        while not self._stopping.wait(_SWEEP_SECONDS):
            try:
                for name in reaper.sweep():
                    log.info("removed what was left behind: %s", name)
            except OSError:
                log.exception("what was left behind could not be removed; it is tried again")

    def _accept(self, listener: socket.socket) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while not self._stopping.is_set():
            # a signal that another thread was given wakes nobody here, and its handler runs in this thread alone
            poll.poll(_LOOK_MS)
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                # out of descriptors, as a rule: those who are in go on
                log.warning("a connection could not be taken: %s", error)
                self._stopping.wait(0.1)
                continue
            connection.setblocking(True)
            thread = threading.Thread(target=self._serve_one, args=(connection,), daemon=True)
            with self._lock:
                self._live.add(thread)
                self._connections.add(connection)
            thread.start()

    def _end(self) -> None:
        with self._lock:
            threads, connections = list(self._live), list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        begun = time.monotonic()
        for patience in (_END_SECONDS, _LONGEST_END_SECONDS):
            for thread in threads:
                thread.join(max(0.0, begun + patience - time.monotonic()))
            threads = [thread for thread in threads if thread.is_alive()]
            for thread in threads:
                log.warning("a connection goes on after %.0f s:\n%s", patience, _stack(thread))
        self.stock.close()

    def _serve_one(self, connection: socket.socket) -> None:
        # a client that goes away in the middle of an answer needs no answer
        try:
            with connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for message in messages.receive(connection):
                    self._answer(connection, message)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("a message that cannot be read: %s", error)
        finally:
            with self._lock:
                self._live.discard(threading.current_thread())
                self._connections.discard(connection)

    def _answer(self, connection: socket.socket, message: dict[str, Any]) -> None:
        if "lease" in message:
            beside = message.get("beside", 0)
            if type(beside) is not int:
                raise ValueError("beside is a number")
            self._lease(connection, messages.read_spec(message["lease"]), beside)
        elif "warm" in message:
            if type(message["count"]) is not int:
                raise ValueError("count is a number")
            self.stock.want(messages.read_spec(message["warm"]), message["count"])
            messages.send(connection, ok=True)
        elif "ailments" in message:
            messages.send(connection, ailments=self._ailments(message["ailments"], bool(message.get("deep"))))
        elif "run_delay" in message:
            messages.send(connection, run_delay=self._run_delay(message["run_delay"]))
        elif "status" in message:
            spec = messages.read_spec(message["of"]) if "of" in message else None
            messages.send(connection, status=self.status(spec))
        else:
            messages.send(connection, error="unknown message", unavailable=False)

    def _ailments(self, id_: str, deep: bool) -> dict[str, str]:
        with self._lock:
            sandbox = self._held.get(id_)
        return {"sandbox": "ended"} if sandbox is None else ailments_of(sandbox, deep)

    def _run_delay(self, id_: str) -> dict[str, float] | None:
        with self._lock:
            sandbox = self._held.get(id_)
        told = run_delay_of(sandbox) if sandbox is not None else None
        return asdict(told) if told is not None else None

    def status(self, spec: Spec | None = None) -> dict[str, int]:
        return {
            "capacity": self.admission.places,
            "leased": self.admission.taken,
            "queued": self.admission.queued,
            "warm": self.stock.warm(spec),
            "starting": self.stock.starting,
            "memory_available_bytes": memory_available(),
        }

    def _lease(self, connection: socket.socket, spec: Spec, beside: int) -> None:
        try:
            self.admission.enter(
                spec.memory_bytes,
                tell=lambda position: messages.send(connection, queued=position),
                gone=lambda: self._stopping.is_set() or _gone(connection),
                beside=beside,
            )
        except Gone:
            return
        self.stock.busy(+1)
        try:
            self._hold(connection, spec)
        finally:
            self.stock.busy(-1)
            self.admission.leave()

    def _hold(self, connection: socket.socket, spec: Spec) -> None:
        try:
            sandbox, warm = self._obtain(connection, spec)
        finally:
            self.admission.settled(spec.memory_bytes)
        if sandbox is None:
            return
        with self._lock:
            self._held[sandbox.handle.id] = sandbox
        try:
            messages.send(connection, leased=messages.handle_json(sandbox.handle), warm=warm)
            log.info("leased %s (%s)", sandbox.handle.id, "warm" if warm else "cold")
            # nothing more is said on a lease: the next byte is its end
            connection.recv(1)
        except OSError:
            pass
        finally:
            with self._lock:
                del self._held[sandbox.handle.id]
            sandbox.close()
            log.info("ended %s", sandbox.handle.id)

    def _obtain(self, connection: socket.socket, spec: Spec) -> tuple[Sandbox | None, bool]:
        """A spare, or one started now; and whether it was a spare."""
        spare = self.stock.take(spec)
        return (spare, True) if spare is not None else (self._start_cold(connection, spec), False)

    def _start_cold(self, connection: socket.socket, spec: Spec) -> Sandbox | None:
        def report(progress: Progress) -> None:
            # the provider cleans up after itself on any failure, and this is one
            if self._stopping.is_set() or _gone(connection):
                raise _Abandoned
            with contextlib.suppress(OSError):
                messages.send(connection, progress=messages.progress_json(progress))

        try:
            return self._provider(spec.kind).start(spec, report)
        except _Abandoned:
            log.info("nobody waits for this %s any more", spec.kind)
        except Unavailable as error:
            messages.send(connection, error=str(error), unavailable=True)
        except Exception as error:
            log.exception("%s did not start: %s", spec.kind, getattr(error, "log", ""))
            messages.send(connection, error=str(error) or type(error).__name__, unavailable=False)
        return None
