"""What a learner is told when traffic did not happen as planned."""

from __future__ import annotations

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.reports import Comparison

_MOST_SHOWN = 6
_CHANGED = Text(
    "评测所依据的是主机的计划，虚拟机里的报告被改过也没有用。",
    "Grading goes by the plan that the host keeps; a report that was changed in the machine is of no use.",
)


def failure(result: Comparison, *, tried: Text, saw: Text, expected: Text, disturbed: Text) -> Failed:
    """Of a comparison that does not fit. `saw` says what is off, with {n} for how many, and `disturbed` hints at why;
    a report that no execution of the plan can give has words of its own.
    """
    rows = "\n".join(f"  {row}" for row in (result.impossible or result.overloaded)[:_MOST_SHOWN])
    if result.impossible:
        forged = Text(f"虚拟机报告了不可能的结果：\n{rows}", f"the machine reports what cannot be:\n{rows}")
        return Failed(tried=tried, saw=forged, expected=expected, hint=_CHANGED)
    zh, en = (text.format(n=len(result.overloaded)) for text in (saw.zh, saw.en))
    return Failed(
        tried=tried, saw=Text(f"{zh}：\n{rows}", f"{en}:\n{rows}"), expected=expected, hint=disturbed
    )
