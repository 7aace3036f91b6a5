"""What a program printed is handed on before its end is told."""

from __future__ import annotations

import threading
from typing import Any

from labs.harness.learner import Callbacks
from labs.harness.output import Batches
from sandboxes.interface import Completed


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


def test_a_sink_that_fails_on_the_last_words_ends_the_run() -> None:
    broken: list[str] = []
    handing_on = threading.Event()

    def full(_lines: list[dict[str, Any]]) -> None:
        handing_on.set()
        raise OSError("no space left on device")

    callbacks = Callbacks(full, _unreachable, _unreachable, broken.append)
    batches = Batches(lambda lines: callbacks.lines(lines), _unreachable, _unreachable)
    batches.close()
    batches.feed(b"last words\n")
    callbacks.ended(1, Completed(0, b"", 0.1), batches)
    assert handing_on.is_set()
    assert "no space left" in broken[0]
