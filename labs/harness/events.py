"""What a run tells while it goes on. One event is one JSON object; the page, the CLI and the
finished log read the same ones. docs/reference/events.md has the fields of each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
Sink = Callable[[Event], None]


@dataclass(frozen=True)
class Text:
    """The same sentence for both readers, each written by hand."""

    zh: str
    en: str

    def json(self) -> dict[str, str]:
        return {"zh": self.zh, "en": self.en}


@dataclass
class Emitter:
    """Numbers and dates the events of one run and hands them to `sink`, one at a time, from any thread."""

    sink: Sink
    started: float = field(default_factory=time.monotonic)
    seq: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def emit(self, type_: str, **fields: Any) -> None:
        plain = {k: v.json() if isinstance(v, Text) else v for k, v in fields.items()}
        with self._lock:
            self.seq += 1
            at = round(time.monotonic() - self.started, 3)
            self.sink({"seq": self.seq, "at": at, "type": type_, **plain})
