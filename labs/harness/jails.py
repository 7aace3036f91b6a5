"""The jails of one run: whatever was started here is ended when the run ends, however it ends."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from sandboxes import jail
from sandboxes.interface import Completed
from sandboxes.jail.process import OnOutput


class Cancelled(Exception):
    """The run was told to stop."""


class Jails:
    """A context manager; close() may be called from any thread and refuses further starts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[jail.Process] = []
        self._closed = False

    def __enter__(self) -> Jails:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(
        self, command: jail.Command, stdin: bool = False, on_output: OnOutput | None = None
    ) -> jail.Process:
        """Raises Cancelled once closed."""
        with self._lock:
            if self._closed:
                raise Cancelled
            process = jail.start(command, stdin=stdin, on_output=on_output)
            self._open.append(process)
            return process

    def run(self, command: jail.Command, on_output: OnOutput | None = None) -> Completed:
        """Start and wait. Raises Cancelled when it was ended by close()."""
        result = self.start(command, on_output=on_output).wait()
        if result is None or (result.stopped_by == "closed" and self._closed):
            raise Cancelled
        return result

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Kill all of them and wait until each is removed. Idempotent."""
        with self._lock:
            self._closed = True
            processes, self._open = self._open, []
        for process in processes:
            process.kill()


def read_only(path: Path) -> jail.Bind:
    """The same path inside and outside."""
    return jail.Bind(path, str(path))
