"""A program in the guest, as its grader sees it."""

from __future__ import annotations

import math
import secrets
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandboxes.interface import Completed
from sandboxes.vm.channel import Channel
from sandboxes.vm.errors import GuestError, Malformed
from sandboxes.vm.numbers import finite, whole

OnOutput = Callable[[bytes], None]


@dataclass(frozen=True)
class Usage:
    """Of a program and all that it started. Seconds of the guest's clock, bytes."""

    cpu_seconds: float
    memory_bytes: int
    memory_peak_bytes: int
    processes: int
    out_of_memory: bool


@dataclass(frozen=True)
class Exit:
    """How a program ended. `code` is None when a signal ended it, `signal` 0 when none did.

    `stopped_by` is "output" or "memory" when that limit was the reason. `output_dropped` counts what it wrote past
    its limit.
    """

    code: int | None
    signal: int
    seconds: float
    stopped_by: str
    output_dropped: int
    usage: Usage

    def completed(self, output: bytes = b"", stopped_by: str = "") -> Completed:
        """As every sandbox tells an end: a code of 128 and more for a signal, None when a limit was the reason."""
        stopped_by = stopped_by or self.stopped_by
        code = self.code if self.code is not None else 128 + self.signal
        return Completed(
            exit_code=None if stopped_by else code,
            output=output,
            seconds=self.seconds,
            stopped_by=stopped_by,
            memory_peak_bytes=self.usage.memory_peak_bytes,
            cpu_seconds=self.usage.cpu_seconds,
        )


def number() -> int:
    """A program's number: never used before, and exact in every JSON parser."""
    return secrets.randbits(52) + 1


class Program:
    """Made by Client.start."""

    def __init__(
        self,
        channel: Channel,
        number: int,
        on_output: OnOutput | None,
        output_bytes: int = 0,
    ) -> None:
        """`output_bytes` is what the agent was told to let through; 0: all of it."""
        self.number = number
        self._left = output_bytes or math.inf
        self.pid = 0
        self._channel = channel
        self._on_output = on_output
        self._ended = threading.Event()
        self._exit: Exit | None = None
        self._lost: GuestError | None = None

    def hear(self, header: Mapping[str, Any] | GuestError, payload: bytes) -> None:
        """An event of this program's, from the channel's thread; an error is the channel's end."""
        if isinstance(header, GuestError):
            self._lost = header
            self._ended.set()
        elif header.get("event") == "output":
            self._left -= len(payload)
            # the agent keeps to its limit and sends no empty piece: this is somebody who writes in its name
            if self._left < 0 or not payload:
                self._give_up(Malformed("output that the agent does not send"))
            elif self._on_output is not None:
                self._on_output(payload)
        elif header.get("event") == "exit":
            self._exit = parse_exit(header.get("exit"))
            self._channel.unlisten(self.number)
            self._ended.set()
        else:
            self._give_up(
                Malformed(f"an event {str(header.get('event'))[:20]!r} that the agent does not send")
            )

    def _give_up(self, error: GuestError) -> None:
        self._channel.unlisten(self.number)
        self._lost = error
        self._ended.set()

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    def wait(self, timeout: float) -> Exit | None:
        """How it ended, or None when it has not within `timeout`. Raises what ended the channel."""
        if not self._ended.wait(timeout):
            return None
        if self._exit is None:
            assert self._lost is not None
            raise self._lost
        return self._exit

    def signal(self, which: signal.Signals, timeout: float = 10.0) -> None:
        """Signal the program itself; SIGKILL ends all that it started as well. One that has ended is no error."""
        self._channel.request("signal", {"program": self.number, "signal": int(which)}, b"", timeout, 0)

    def kill(self, timeout: float = 10.0) -> Exit | None:
        """End it and all that it started; how it ended."""
        self.signal(signal.SIGKILL, timeout)
        return self.wait(timeout)

    def usage(self, timeout: float = 10.0) -> Usage:
        """What it has used so far, or used in all."""
        return parse_usage(self._channel.request("usage", {"program": self.number}, b"", timeout, 0)[0])


def parse_exit(value: Any) -> Exit:
    """Raises Malformed."""
    try:
        number = whole(value["signal"])
        return Exit(
            code=None if number else whole(value["code"]),
            signal=number,
            seconds=finite(value["seconds"]),
            stopped_by=str(value["stopped_by"])[:20],
            output_dropped=whole(value["output_dropped"]),
            usage=parse_usage(value),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"not an exit: {value!r:.200}") from error


def parse_usage(value: Any) -> Usage:
    """Raises Malformed."""
    try:
        return Usage(
            finite(value["cpu_seconds"]),
            whole(value["memory_bytes"]),
            whole(value["memory_peak_bytes"]),
            whole(value["processes"]),
            value["out_of_memory"] is True,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"not a usage: {value!r:.200}") from error
