"""Lease a sandbox: from the daemon where there is one, else started here and now."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sandboxes.interface import Handle, Progress, Report, RunDelay, Sandbox, Spec, StartFailed, Unavailable
from sandboxes.pool import messages
from sandboxes.providers import provider

OnQueue = Callable[[int], None]

_PROMPT_SECONDS = 3.0  # for an answer that the daemon has at hand
_AILMENTS_SECONDS = 30.0  # for one that it has to ask a sandbox for


class GivingUp:
    """Ends the wait for a sandbox from another thread: set() hangs up, and the pool gives the place to the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self.is_set = False

    def set(self) -> None:
        with self._lock:
            self.is_set = True
            self._hang_up()

    @contextlib.contextmanager
    def ends(self, connection: socket.socket) -> Iterator[None]:
        """What is read from `connection` within the block ends when this is set."""
        self._watch(connection)
        try:
            yield
        finally:
            self._watch(None)

    def _watch(self, connection: socket.socket | None) -> None:
        with self._lock:
            self._connection = connection
            if self.is_set:
                self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)


_own: dict[str, Sandbox] = {}  # started here, because there was no daemon


def _connect(timeout: float | None = None) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(str(messages.socket_path()))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


@contextlib.contextmanager
def lease(
    spec: Spec,
    on_queue: OnQueue = lambda position: None,
    on_progress: Report = lambda progress: None,
    giving_up: GivingUp | None = None,
    beside: int = 0,
) -> Iterator[Handle]:
    """The handle of a sandbox that is this caller's alone until the block ends.

    `beside` is how many the caller holds already: it does not wait for itself to give them back.
    `on_queue` hears the position in the queue while it is full (1 is next). Raises Unavailable when this
    machine cannot serve the kind or `giving_up` was set, StartFailed when it did not come up.
    """
    connection = _connect()
    if connection is None:
        sandbox = provider(spec.kind).start(spec, on_progress)
        _own[sandbox.handle.id] = sandbox
        try:
            yield sandbox.handle
        finally:
            del _own[sandbox.handle.id]
            sandbox.close()
        return
    giving_up = giving_up or GivingUp()
    with connection:
        with giving_up.ends(connection):
            handle = _await(connection, spec, on_queue, on_progress, giving_up, beside)
        yield handle


def _await(
    connection: socket.socket,
    spec: Spec,
    on_queue: OnQueue,
    on_progress: Report,
    giving_up: GivingUp,
    beside: int,
) -> Handle:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who hung up hears nothing
        messages.send(connection, lease=messages.spec_json(spec), beside=beside)
        for message in messages.receive(connection):
            if "queued" in message:
                on_queue(message["queued"])
            elif "progress" in message:
                on_progress(Progress(**message["progress"]))
            elif "leased" in message:
                return messages.read_handle(message["leased"])
            elif "error" in message:
                raise (Unavailable if message.get("unavailable") else StartFailed)(message["error"])
    if giving_up.is_set:
        raise Unavailable("the wait for a sandbox was given up")
    raise StartFailed("the pool ended before it gave a sandbox")


def _ask(seconds: float | None = None, /, **message: Any) -> dict[str, Any] | None:
    """One answer. Raises OSError, a TimeoutError among them: a daemon that hangs must not hang whoever asks."""
    connection = _connect(seconds or _PROMPT_SECONDS)
    if connection is None:
        return None
    with connection:
        messages.send(connection, **message)
        return next(messages.receive(connection), None)


def is_here() -> bool:
    """Whether the pool of this installation is, or was, on this machine."""
    return messages.socket_path().is_socket()


def keep_warm(spec: Spec, count: int) -> bool:
    """Ask the daemon to hold `count` spares of `spec`. False when there is no daemon."""
    return _ask(warm=messages.spec_json(spec), count=count) is not None


def ailments(handle: Handle, deep: bool = False) -> dict[str, str]:
    """What keeps a leased sandbox from being believed, {part: word}; {} when it is well.

    `deep` also looks for what takes a request of its own to find. Words are the provider's own.
    """
    own = _own.get(handle.id)
    if own is not None:
        return ailments_of(own, deep)
    try:
        answer = _ask(_AILMENTS_SECONDS, ailments=handle.id, deep=deep)
    except OSError:
        answer = None
    return {"pool": "ended"} if answer is None else dict(answer["ailments"])


def ailments_of(sandbox: Sandbox, deep: bool) -> dict[str, str]:
    """What a provider tells, or at least whether its processes stand."""
    method: Callable[[bool], dict[str, str]] | None = getattr(sandbox, "ailments", None)
    if method is not None:
        return method(deep)
    standing: Callable[[], bool] | None = getattr(sandbox, "standing", None)
    return {} if standing is None or standing() else {"sandbox": "ended"}


def run_delay(handle: Handle) -> RunDelay | None:
    """How a leased sandbox ran, and waited for a processor, since this was asked first; None when nobody can say."""
    own = _own.get(handle.id)
    if own is not None:
        return run_delay_of(own)
    try:
        answer = _ask(run_delay=handle.id)
    except (OSError, ValueError):
        answer = None
    told = answer.get("run_delay") if answer else None
    return RunDelay(**told) if told else None


def run_delay_of(sandbox: Sandbox) -> RunDelay | None:
    """What a provider tells, where it does."""
    method: Callable[[], RunDelay | None] | None = getattr(sandbox, "run_delay", None)
    return None if method is None else method()


def status(spec: Spec | None = None) -> dict[str, int] | None:
    """Capacity, leased, queued, warm, starting, memory_available_bytes; None when there is no daemon.

    `warm` counts the spares of `spec` where it is given, else all.
    """
    answer = _ask(status=True, **({"of": messages.spec_json(spec)} if spec else {}))
    return None if answer is None else answer["status"]
