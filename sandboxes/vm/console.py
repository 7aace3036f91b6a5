"""What a machine writes to its serial port: kept as evidence, and never more than a bound."""

from __future__ import annotations

from pathlib import Path

LIMIT = 64 << 10


class Console:
    """Keeps the last LIMIT bytes at least, and twice as many at most, in `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        path.touch(mode=0o600)

    def write(self, data: bytes) -> None:
        """Called from the thread that reads the machine's output."""
        if self._size + len(data) > 2 * LIMIT:
            data = (self._path.read_bytes() + data)[-LIMIT:]
            self._path.write_bytes(data)
            self._size = len(data)
            return
        with self._path.open("ab") as out:
            out.write(data)
        self._size += len(data)
