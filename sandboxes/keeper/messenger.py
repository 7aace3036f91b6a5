"""Hands signals to the jailed command, as soon as there is one."""

import contextlib
import json
import os
import signal


class Messenger:
    """`info_fd` is the reading end of bubblewrap's --info-fd. Never blocks: what cannot be handed over waits."""

    def __init__(self, info_fd: int) -> None:
        os.set_blocking(info_fd, False)
        self._info_fd = info_fd
        self._text = b""
        self._first = 0
        self._pending: list[int] = []

    @property
    def waiting(self) -> bool:
        return bool(self._pending)

    def send(self, number: int) -> None:
        self._pending.append(number)
        self.deliver()

    def deliver(self) -> None:
        """Try again what waits. The command may not have been forked when it was first asked."""
        if not self._pending:
            return
        pidfd = self._open_command()
        if pidfd < 0:
            return
        for number in self._pending:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(pidfd, number)
        self._pending.clear()
        os.close(pidfd)

    def _open_command(self) -> int:
        """A pidfd of the command, the oldest child of the jail's first process; -1 when there is none yet."""
        child = self._oldest_child()
        if not child:
            return -1
        try:
            pidfd = os.pidfd_open(child)
        except OSError:
            return -1
        # still its child after it was opened, so the pid was not used anew in between
        if self._oldest_child() == child:
            return pidfd
        os.close(pidfd)
        return -1

    def _oldest_child(self) -> int:
        first = self._find_first()
        if first:
            with contextlib.suppress(OSError), open(f"/proc/{first}/task/{first}/children") as f:
                return int((f.read().split() or ["0"])[0])
        return 0

    def _find_first(self) -> int:
        """The pid outside of the jail's first process, once bubblewrap has told it."""
        if not self._first:
            with contextlib.suppress(BlockingIOError):
                while part := os.read(self._info_fd, 4096):
                    self._text += part
            with contextlib.suppress(ValueError):
                self._first = int(json.loads(self._text)["child-pid"])
        return self._first
