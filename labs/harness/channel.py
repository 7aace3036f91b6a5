"""The grader process's end of the protocol: requests with answers, and what the engine pushes."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import IO, Any

from labs.harness import pace
from labs.harness.checks import NotInTime
from labs.harness.events import Text
from labs.harness.protocol import RS, TO_GRADER, BrokenProtocol, Message, decode, encode

# what the engine may take beside the request itself (labs/harness/machine.py): to connect, to push and to start the
# program, to end what did not end, and to find out whether the machine still answers; and some more
_SPARE_SECONDS = 180.0


class Refused(Exception):
    """The engine could not carry out a request: ours."""


class GuestRefused(NotInTime):
    """The guest's agent said no: nothing listens there, no such address, more than the bound.

    A check that lets it through has failed: the learner's program is root there and may be why.
    """

    def __init__(self, said: str) -> None:
        super().__init__(Text(f"虚拟机里做不到：{said}", f"the machine could not do it: {said}"))

    def __str__(self) -> str:
        return self.what.en.partition(": ")[2]


class GuestLost(NotInTime):
    """The virtual machine has ended or does not answer, and the learner's program is why.

    A check that lets it through has failed; the later ones on that kernel are skipped.
    """


class Channel:
    """Reads in a thread of its own; send() and ask() may be called from any thread."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        self._asked = 0
        self._open: set[int] = set()
        self._replies: dict[int, Message] = {}
        self.sources: dict[str, str] = {}
        self._go = False
        self._closed = False
        self._handlers: dict[str, Callable[[Message], None]] = {}

    def first(self) -> Message:
        """The assignment. Call once, before follow()."""
        return decode(self._source.readline(), TO_GRADER)

    def on(self, kind: str, handler: Callable[[Message], None]) -> None:
        """Call `handler` for each message of that kind, in the reading thread. Before follow()."""
        self._handlers[kind] = handler

    def follow(self) -> None:
        """Start reading."""
        threading.Thread(target=self._read, name="channel", daemon=True).start()

    def send(self, type_: str, **fields: Any) -> None:
        line = RS + encode({"type": type_, **fields})
        with self._writing:
            self._sink.write(line)
            self._sink.flush()

    def emit(self, event: str, **fields: Any) -> None:
        self.send("event", event=event, fields=fields)

    def ask(
        self,
        do: str,
        *,
        process: int,
        env: dict[str, str] | None = None,
        args: list[str] | None = None,
    ) -> None:
        """Have the engine do something and wait until it is done. Raises Refused, GuestRefused, GuestLost."""
        fields = {"do": do, "process": process, "env": env or {}, "args": args or []}
        answer = self._await("request", fields, _SPARE_SECONDS * pace.MOST)
        if answer["refused"]:
            raise GuestRefused(answer["refused"])
        if answer["error"]:
            raise Refused(f"{do}: {answer['error']}")

    def ask_guest(self, do: str, args: dict[str, Any], timeout: float) -> tuple[dict[str, Any], bytes]:
        """Have the engine ask the machine's agent; its object and body. Raises GuestRefused, GuestLost, Refused."""
        fields = {"do": do, "args": args, "timeout": timeout}
        # the engine gives it longer while the machine is busy, and the check that asks has a deadline of its own
        answer = self._await("guest", fields, (timeout + _SPARE_SECONDS) * pace.MOST)
        if answer["error"]:
            raise GuestRefused(answer["error"])
        return answer["ok"], base64.b64decode(answer["body"])

    def _await(self, kind: str, fields: dict[str, Any], timeout: float) -> Message:
        with self._changed:
            self._asked += 1
            number = self._asked
            self._open.add(number)
        try:
            self.send(kind, id=number, **fields)
        except BaseException:  # the engine has not heard of it: it owes no answer
            with self._changed:
                self._open.discard(number)
            raise
        with self._changed:
            self._changed.wait_for(lambda: number in self._replies or self._closed, timeout)
            if number not in self._replies:
                raise Refused(f"{fields['do']}: no answer")
            answer = self._replies.pop(number)
        lost = answer["lost"]
        if lost:
            raise GuestLost(Text(str(lost.get("zh")), str(lost.get("en"))))
        return answer

    def settle(self, timeout: float) -> None:
        """Wait until the engine has answered what was asked for and given up: it does one thing after the other."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open or self._closed, timeout)
            self._replies.clear()

    def wait_go(self) -> bool:
        """Until the program is built; False when the engine went away instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._go or self._closed)
            return self._go

    def _read(self) -> None:
        try:
            while line := self._source.readline():
                self._take(decode(line, TO_GRADER))
        except (BrokenProtocol, OSError, ValueError):
            pass  # the engine is gone or broken: nobody is left to tell
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind in self._handlers:
            self._handlers[kind](message)
            return
        with self._changed:
            if kind in ("reply", "answer"):
                self._open.discard(message["id"])
                self._replies[message["id"]] = message
            elif kind == "go":
                self.sources.update(message["sources"])
                self._go = True
            self._changed.notify_all()
