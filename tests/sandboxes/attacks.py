"""Small hostile programs, run in a real jail. Perl, because every Debian has it and it can make any system call."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from sandboxes.interface import Completed
from sandboxes.jail import MIB, Command, Limits, Process, run, start

TIGHT = Limits(
    memory_bytes=128 * MIB, processes=40, wall_seconds=20, disk_bytes=16 * MIB, output_bytes=MIB, cpus=1
)
_PATH = {"PATH": "/usr/bin:/bin"}


def sh(script: str, *args: str, limits: Limits = TIGHT, **more: Any) -> Command:
    return Command(
        ("/bin/sh", "-c", script, "sh", *args),
        {**_PATH, **more.pop("env", {})},
        limits=limits,
        system=True,
        **more,
    )


def perl(script: str, *args: str, limits: Limits = TIGHT, **more: Any) -> Command:
    return Command(("/usr/bin/perl", "-e", script, *args), _PATH, limits=limits, system=True, **more)


def said(command: Command) -> str:
    """What it printed; it must have ended by itself."""
    result = run(command)
    assert result.exit_code is not None, result
    return result.output.decode(errors="replace").strip()


def tight(**changes: Any) -> Limits:
    return replace(TIGHT, **changes)


def begin(command: Command, ready: bytes = b"ready") -> Process:
    """Start it and return once it has printed `ready`."""
    heard, seen = bytearray(), threading.Event()

    def listen(part: bytes) -> None:
        heard.extend(part)
        if ready in heard:
            seen.set()

    process = start(command, on_output=listen)
    if not seen.wait(15):
        process.kill()
        raise AssertionError(f"it never said {ready!r}: {process.output()!r}")
    return process


def broke(result: Completed, limit: str) -> bool:
    """Whether it was ended for this limit, and says so the way the contract wants it."""
    return result.stopped_by == limit and result.exit_code is None
