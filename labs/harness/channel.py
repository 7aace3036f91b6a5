"""The grader process's end of the protocol: requests with answers, and what the engine pushes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import IO, Any

from labs.harness.protocol import RS, TO_GRADER, BrokenProtocol, Message, decode, encode

_ANSWER_SECONDS = 30.0


class Refused(Exception):
    """The engine could not carry out a request: ours."""


class Channel:
    """Reads in a thread of its own; send() and ask() may be called from any thread."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        self._asked = 0
        self._replies: dict[int, str] = {}
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

    def ask(self, do: str, *, process: int, env: dict[str, str] | None = None) -> None:
        """Have the engine do something and wait until it is done. Raises Refused."""
        with self._changed:
            self._asked += 1
            number = self._asked
        self.send("request", id=number, do=do, process=process, env=env or {})
        with self._changed:
            self._changed.wait_for(lambda: number in self._replies or self._closed, _ANSWER_SECONDS)
            if number not in self._replies:
                raise Refused(f"{do}: no answer")
            error = self._replies.pop(number)
        if error:
            raise Refused(f"{do}: {error}")

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
            if kind == "reply":
                self._replies[message["id"]] = message["error"]
            elif kind == "go":
                self._go = True
            self._changed.notify_all()
