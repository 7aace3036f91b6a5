"""Have a guest carry a plan out, and tell the learner in words when it did not happen as planned."""

from __future__ import annotations

from typing import Any, NoReturn

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.guest import Guest, GuestRefused
from labs.harness.mesh.comparing import compare
from labs.harness.mesh.plan import MeshPlan
from labs.harness.traffic import Comparison

_MOST_SHOWN = 6


def carry_out(guest: Guest, plan: MeshPlan) -> dict[str, Any]:
    """The report, when all has happened. Raises Failed when something else happened."""
    try:
        report = guest.mesh(plan)
    except GuestRefused as refused:
        saw = Text(
            f"产生流量的程序没有完成：{refused}", f"the program that makes it did not finish: {refused}"
        )
        raise _failed(plan, saw, _DISTURBED) from None
    result = compare(plan, report)
    if not result.fits:
        _fail(plan, result)
    return report


_DISTURBED = Text(
    "探针不应该影响流量本身。检查它是否占满了 CPU 或内存，或者动了网络设置或别的进程。",
    "A probe must not disturb what it watches. See whether it uses up processor or memory, or touches the network's "
    "settings or other processes.",
)
_CHANGED = Text(
    "评分所依据的是主机的计划，虚拟机里的报告被改过也没有用。",
    "Grading goes by the plan that the host keeps; a report that was changed in the machine is of no use.",
)


def _fail(plan: MeshPlan, result: Comparison) -> NoReturn:
    rows = "\n".join(f"  {row}" for row in (result.impossible or result.overloaded)[:_MOST_SHOWN])
    if result.impossible:
        saw = Text(f"虚拟机报告了不可能的结果：\n{rows}", f"the machine reports what cannot be:\n{rows}")
        raise _failed(plan, saw, _CHANGED)
    count = len(result.overloaded)
    saw = Text(f"{count} 处没有按计划进行：\n{rows}", f"{count} did not go as planned:\n{rows}")
    raise _failed(plan, saw, _DISTURBED)


def _failed(plan: MeshPlan, saw: Text, hint: Text) -> Failed:
    sessions = len(plan.sessions)
    return Failed(
        tried=Text(f"按计划进行 {sessions} 个会话", f"had {sessions} sessions to a plan"),
        saw=saw,
        expected=Text("每个会话都按计划进行", "each goes as planned"),
        hint=hint,
    )
