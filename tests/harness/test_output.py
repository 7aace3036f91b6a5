"""What a program printed is handed on before its end is told."""

from __future__ import annotations

import threading
from typing import Any

from labs.harness.output import Batches


def _unreachable(*_: Any) -> None:
    raise AssertionError


def test_it_works() -> None:
    heard: list[str] = []
    batches = Batches(lambda lines: heard.extend(line["text"] for line in lines), _unreachable, _unreachable)
    batches.feed(b"one\ntwo")
    batches.end()
    batches.close()
    assert heard == ["one", "two"]


def test_an_end_waits_for_what_is_being_handed_on() -> None:
    """The thread that hands on often has taken the lines, and is held up before they arrive."""
    heard: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def slow(lines: list[dict[str, Any]]) -> None:
        begun.set()
        assert go.wait(10)
        heard.extend(line["text"] for line in lines)

    batches = Batches(slow, _unreachable, _unreachable)
    batches.feed(b"last words\n")
    assert begun.wait(10)
    ended = threading.Thread(target=batches.end)
    ended.start()
    ended.join(0.2)
    assert ended.is_alive()
    go.set()
    ended.join(10)
    batches.close()
    assert heard == ["last words"]
