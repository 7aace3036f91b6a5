"""A management command that keeps programs up, as a process of its own, with folders of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def eventually(ask: Callable[[], object], seconds: float = 60.0, told: Callable[[], object] = str) -> None:
    """`told` says more when it does not come true."""
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline, f"not within {seconds} s\n{told()}"
        time.sleep(0.05)


class Commanded:
    """`lines` is what it printed so far."""

    def __init__(self, home: Path, words: tuple[str, ...], env: Mapping[str, str]) -> None:
        self.home = home
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), *words],
            env=dict(env) | {"LASTMILE_STATE": str(home / "state"), "LASTMILE_RUN": str(home / "run")},
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def wait_ended(self) -> int:
        """Once nobody writes any more: the programs may print where we do."""
        code = self.process.wait(120)
        self._reader.join()
        return code

    def started(self) -> Iterator[Path]:
        """The /proc folders of the processes that have our folders in their environment or on their command line."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.home).encode() in words and int(folder.name) != self.process.pid:
                yield folder
