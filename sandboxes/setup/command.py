"""Runs one program of the set-up: its output goes to a log, its end is known, it never outlives us."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandboxes import paths
from sandboxes.setup.step import SetupError

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def _end_with_parent() -> None:
    """After a kill -9 of the set-up its compiler must not go on alone (prctl(2))."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(
    argv: Sequence[str | Path],
    *,
    log: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    remedy: str = "",
) -> None:
    """Run to the end. Raises SetupError with the last words when it fails; the whole is in the log.

    `log` is a bare name: the file is <cache>/log/<log>.log and is written anew each time.
    """
    file = paths.cache_dir() / "log" / f"{log}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    if shutil.which(argv[0]) is None:
        raise SetupError(f"there is no {argv[0]}", remedy)
    last: list[str] = []
    with (
        file.open("w") as out,
        subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd,
            env=dict(os.environ if env is None else env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=_end_with_parent,  # noqa: PLW1509  one system call, resolved before the fork
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            out.write(line)
            last = [*last[-11:], line.rstrip()]
            if on_line:
                on_line(line.rstrip())
    if process.returncode:
        words = "\n    ".join(last)
        message = (
            f"{Path(argv[0]).name} ended with {process.returncode}:\n    {words}\n    (all of it: {file})"
        )
        raise SetupError(message, remedy)
