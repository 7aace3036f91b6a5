"""What a learner's program prints, cleaned, bounded, and handed on in batches."""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from labs.harness.sanitize import Lines

_BATCH_SECONDS = 0.05
_BATCH_LINES = 200
_BATCH_BYTES = 256 * 1024  # of JSON, in which a byte of the program's may take six

OnLines = Callable[[list[dict[str, Any]]], None]


class Batches:
    """All instances of one program. feed() returns at once; the callbacks are called from a thread of ours.

    `on_lines` gets lines {at, text}; `on_cut` is told once when the rest is not recorded; `on_broken`
    gets the traceback when a callback raised.
    """

    def __init__(
        self, on_lines: OnLines, on_cut: Callable[[], None], on_broken: Callable[[str], None]
    ) -> None:
        self._on_lines, self._on_cut, self._on_broken = on_lines, on_cut, on_broken
        self._lines = Lines()
        self._waiting: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._handing_on = threading.Lock()
        self._closed = False
        self._told_cut = False
        threading.Thread(target=self._flush_often, name="learner's output", daemon=True).start()

    def feed(self, data: bytes) -> None:
        with self._changed:
            self._queue(self._lines.feed(data))

    def end(self) -> None:
        """An instance has ended: hand on what is there, an unfinished line too."""
        with self._changed:
            self._queue(self._lines.end())
        self._flush()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _queue(self, lines: list[str]) -> None:
        now = time.time()
        self._waiting.extend({"at": now, "text": line} for line in lines)
        if lines or self._lines.cut:
            self._changed.notify_all()

    def _flush_often(self) -> None:
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
            time.sleep(_BATCH_SECONDS)  # gather a batch: an event for each line would flood the stream
            try:
                self._flush()
            except Exception:  # noqa: BLE001  a sink that fails ends the run at once
                self._on_broken(traceback.format_exc())
                return

    def _flush(self) -> None:
        # one at a time: end() must not return while the other thread still holds what came before it
        with self._handing_on:
            with self._changed:
                lines, self._waiting = self._waiting, []
                cut = self._lines.cut and not self._told_cut
                self._told_cut = self._told_cut or cut
            for batch in _in_batches(lines):
                self._on_lines(batch)
            if cut:
                self._on_cut()


def _in_batches(lines: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """In order, each small enough for one message."""
    batch: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        more = len(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace"))
        if batch and (len(batch) == _BATCH_LINES or size + more > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += more
    if batch:
        yield batch
