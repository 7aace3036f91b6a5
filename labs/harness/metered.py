"""What the checks of a lab have in common whose program serves metrics and runs from check to check.

    @dataclass
    class World(MeteredWorld):                      # one for each kernel; what one check leaves for the next
        falls = Text(...)

        def restart(self) -> None: ...

    graded = Graded(World)

    @graded("counts")
    def counts(world: World) -> None:
        before = world.page()
        ...

lab.toml's grader.py registers what `graded.checks` has.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import ClassVar, Generic, TypeVar

from labs.harness.checks import CheckFunction, Failed
from labs.harness.events import Text
from labs.harness.exposition import Exposition
from labs.harness.tracer_lab import TracerLab

_MOST_SHOWN = 6
W = TypeVar("W", bound="MeteredWorld")


@dataclass
class MeteredWorld(ABC):
    """One machine and the last page that was read there. `falls` is the hint for a counter that fell."""

    falls: ClassVar[Text]
    lab: TracerLab
    _last: Exposition | None = field(default=None, init=False, repr=False)

    @abstractmethod
    def restart(self) -> None:
        """Start the program again after it ended, as it was started before."""

    def forget_page(self) -> None:
        """Another process counts from zero."""
        self._last = None

    def page(self) -> Exposition:
        """The metrics now. Raises Failed when there are none, or not in the format, or when a counter fell."""
        page = self.lab.scrape()
        self.follow(page)
        return page

    def follow(self, page: Exposition) -> None:
        """Take note of a page. Raises Failed when a counter is less on it than on the one before."""
        last, self._last = self._last, page
        if last is not None:
            self.never_fall([last, page])

    def never_fall(self, pages: Sequence[Exposition]) -> None:
        """Raises Failed when a counter of one page is less on the next one, or not there any more."""
        for earlier, later in itertools.pairwise(pages):
            if fallen := later.fallen(earlier):
                raise self._fell(fallen)

    def _fell(self, fallen: Sequence[str]) -> Failed:
        rows = "\n".join(fallen[:_MOST_SHOWN])
        return Failed(
            tried=Text("先后抓取两次", "scraped twice, one after the other"),
            saw=Text(f"变小或消失了：\n{rows}", f"fell or went away:\n{rows}"),
            expected=Text("counter 从不减小", "no counter ever falls"),
            hint=self.falls,
            command=f"curl -s {self.lab.metrics}",
        )


class Graded(Generic[W]):
    """The checks of one lab, each called with the world of its machine, which is made for the first of them."""

    def __init__(self, make: Callable[[TracerLab], W]) -> None:
        self.checks: dict[str, CheckFunction] = {}
        self._make = make
        self._worlds: dict[str, W] = {}

    def __call__(self, id_: str, *, running: bool = True) -> Callable[[Callable[[W], None]], CheckFunction]:
        """A check; with `running`, one that begins with a running program, which is started anew if it ended.

        When it fails and the process is gone, that is what the learner is told first.
        """

        def remember(function: Callable[[W], None]) -> CheckFunction:
            @wraps(function)
            def run(lab: TracerLab) -> None:
                world = self.of(lab)
                if running and not lab.operator.running:
                    world.restart()
                try:
                    function(world)
                except Failed as failed:
                    if running and not lab.operator.running:
                        failed.hint = _last_words(lab)
                    raise
                except (ValueError, ArithmeticError) as error:  # int() of what is no number
                    if told := _no_count(lab):
                        raise told from error
                    raise

            self.checks[id_] = run
            return run

        return remember

    def of(self, lab: TracerLab) -> W:
        found = self._worlds.get(lab.kernel)
        if found is None or found.lab is not lab:
            found = self._worlds[lab.kernel] = self._make(lab)
        return found


def _no_count(lab: TracerLab) -> Failed | None:
    """Why a check could not count with the pages: a sample is NaN, infinite, or larger than any count."""
    if not lab.no_counts:
        return None
    rows = "\n".join(lab.no_counts[:_MOST_SHOWN])
    return Failed(
        tried=Text(f"抓取 {lab.metrics}", f"scraped {lab.metrics}"),
        saw=Text(rows, rows),
        expected=Text("计数是有限的数", "counts are finite numbers"),
        hint=Text(
            "除以 0 会得到 NaN 或 Inf：算出它之前先看分母，没有值就不要给出这个序列。",
            "A division by 0 gives NaN or Inf: look at the divisor first, and leave the series out while it has no "
            "value.",
        ),
        command=f"curl -s {lab.metrics}",
    )


def _last_words(lab: TracerLab) -> Text:
    ended = lab.operator.wait_exit(1.0)
    zh, en = ended.describe()
    last = lab.operator.log_tail(6)[-1200:]
    told = Text(
        f"你的进程已经结束（{zh}），最后的输出：\n{last}",
        f"Your process has ended ({en}). Its last words:\n{last}",
    )
    if not ended.over_a_limit:
        return told
    zh, en = ended.advise()
    return Text(f"{told.zh}\n{zh}", f"{told.en}\n{en}")
