"""Child processes that end with us, also when we are killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from lastmile.embedded.binaries import Account, NotStarted

PR_SET_PDEATHSIG = 1
KEEP_LOG_BYTES = 4 << 20
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Program:
    """One process to run. `death_signal` is what the kernel sends it when the supervisor is gone."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account = field(default_factory=Account)
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    nice: int = 0
    cwd: Path = Path("/")


class Child:
    """A started Program, in a session of its own so that Ctrl-C reaches only the supervisor."""

    def __init__(self, program: Program, logs: Path | None) -> None:
        """What it prints goes to a file in `logs`, or to wherever we print where that is None."""
        self.program = program
        self.log = logs / f"{program.name}.log" if logs else None
        self.started = time.monotonic()
        try:
            with _open(self.log) as out:
                self.process = self._popen(program, out)
        except OSError as error:
            raise NotStarted(f"cannot start {program.argv[0]}: {error.strerror}") from error

    @staticmethod
    def _popen(program: Program, out: IO[bytes] | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(program.argv),
            env=dict(program.env),
            cwd=program.cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            user=program.account.uid,
            group=program.account.gid,
            extra_groups=[] if program.account.uid is not None else None,
            start_new_session=True,
            preexec_fn=_prepare(os.getpid(), program.death_signal, program.nice),  # noqa: PLW1509 - we start no threads
        )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_ready(self, probe: Callable[[], bool], seconds: float) -> None:
        """Ask `probe` until it says yes. Raises NotStarted with the child's last words."""
        deadline = time.monotonic() + seconds
        while not probe():
            if not self.alive:
                raise NotStarted(
                    f"{self.program.name} ended with {self.process.returncode}: {self.last_words()}"
                )
            if time.monotonic() > deadline:
                raise NotStarted(
                    f"{self.program.name} is not ready after {seconds:.0f} s: {self.last_words()}"
                )
            time.sleep(0.03)

    def last_words(self) -> str:
        """The last line or two of the log, and where the rest is."""
        if self.log is None:
            return "its last words are above"
        with contextlib.suppress(OSError):
            lines = self.log.read_bytes()[-2000:].decode("utf-8", "replace").strip().splitlines()
            return f"{' / '.join(line.strip() for line in lines[-2:])} (all of it: {self.log})"
        return str(self.log)

    def ask_to_stop(self) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(self.program.stop_signal)

    def wait_stopped(self, asked: float | None = None) -> bool:
        """True when it went in time, counted from `asked` (time.monotonic(); None: now).

        Otherwise its whole process group is killed.
        """
        gone = 0.0 if asked is None else time.monotonic() - asked
        try:
            self.process.wait(max(0.0, self.program.stop_seconds - gone))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return False
        return True


def _prepare(parent: int, signal_: signal.Signals, nice: int) -> Callable[[], None]:
    def prepare() -> None:
        if nice:
            os.nice(nice)
            _put_session_behind(nice)
        _libc.prctl(PR_SET_PDEATHSIG, int(signal_), 0, 0, 0)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return prepare


def _put_session_behind(nice: int) -> None:
    """Where the kernel groups sessions for the scheduler (autogroup), niceness counts within a session alone;
    the session has one of its own, and ours are all in sessions of their own."""
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice))


def _open(log: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    if log is None:
        return contextlib.nullcontext()
    _rotate(log)
    return log.open("ab")


def _rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > KEEP_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
