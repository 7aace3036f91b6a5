"""QEMU's monitor, for as long as a template is being made. Source: docs/interop/qmp-spec.txt."""

from __future__ import annotations

import json
import socket
from typing import Any

_LONGEST_LINE = 1 << 20


class MonitorError(Exception):
    """QEMU refused, or its monitor is gone."""


class Monitor:
    """Takes over `connection`, our end of the monitor's socket pair."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        connection.settimeout(timeout)
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._read()
        self.execute("qmp_capabilities")

    def execute(self, command: str, *, fd: int | None = None, **arguments: Any) -> Any:
        """What QEMU returns. `fd` is sent along, for getfd. Raises MonitorError."""
        text = json.dumps({"execute": command, "arguments": arguments}).encode()
        try:
            socket.send_fds(self._connection, [text], [] if fd is None else [fd])
            while True:
                answer = self._read()
                if "error" in answer:
                    raise MonitorError(f"{command}: {answer['error'].get('desc')}")
                if "return" in answer:
                    return answer["return"]
        except OSError as error:
            raise MonitorError(f"{command}: {error}") from error

    def _read(self) -> dict[str, Any]:
        """The next answer or event. Only what our own boot image runs speaks here, and no learner."""
        line = self._lines.readline(_LONGEST_LINE)
        if not line:
            raise MonitorError("QEMU has ended")
        value: dict[str, Any] = json.loads(line)
        return value

    def close(self) -> None:
        self._lines.close()
        self._connection.close()
