"""Have a guest carry a plan out, and tell the learner in words when it did not happen as planned."""

from __future__ import annotations

from typing import Any

from labs.harness import unplanned
from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.guest import Guest, GuestRefused
from labs.harness.mesh.comparing import compare
from labs.harness.mesh.plan import MeshPlan

_EXPECTED = Text("每个会话都按计划进行", "each goes as planned")
_DISTURBED = Text(
    "探针不应该影响流量本身。检查它是否占满了 CPU 或内存，或者动了网络设置或别的进程。",
    "A probe must not disturb what it watches. See whether it uses up processor or memory, or touches the network's "
    "settings or other processes.",
)


def carry_out(guest: Guest, plan: MeshPlan) -> dict[str, Any]:
    """The report, when all has happened. Raises Failed when something else happened."""
    sessions = len(plan.sessions)
    tried = Text(f"按计划进行 {sessions} 个会话", f"had {sessions} sessions to a plan")
    try:
        report = guest.mesh(plan)
    except GuestRefused as refused:
        saw = Text(
            f"产生流量的程序没有完成：{refused}", f"the program that makes it did not finish: {refused}"
        )
        raise Failed(tried=tried, saw=saw, expected=_EXPECTED, hint=_DISTURBED) from None
    result = compare(plan, report)
    if not result.fits:
        saw = Text("{n} 处没有按计划进行", "{n} did not go as planned")
        raise unplanned.failure(result, tried=tried, saw=saw, expected=_EXPECTED, disturbed=_DISTURBED)
    return report
