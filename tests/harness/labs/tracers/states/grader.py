"""A small tracer lab: it starts, counts to the truth, and leaves nothing behind."""

from __future__ import annotations

from collections import Counter

from labs.harness import pace
from labs.harness.checks import check
from labs.harness.events import Text
from labs.harness.tracer_lab import TracerLab


@check("serves")
def serves(lab: TracerLab) -> None:
    lab.step("启动程序", "starting the program")
    lab.start({"PORT": "9100"}, within=40.0)


@check("counts")
def counts(lab: TracerLab) -> None:
    before = lab.scrape()
    plan = lab.plan(
        client_close=12,
        server_close=8,
        client_reset=6,
        server_reset=6,
        refused=5,
        timeout=2,
        half_open=3,
        overflow=5,
    )
    lab.step(f"建立 {len(plan.connections)} 个连接", f"making {len(plan.connections)} connections")
    truth = lab.traffic(plan)

    def seen() -> Counter[tuple[str, str, int]]:
        grown = lab.scrape().since(before)
        rows = grown.series("tcp_state_changes_total")
        by_port = {(row["from"], row["to"], int(row["dport"])): int(value) for row, value in rows if value}
        return Counter({key: value for key, value in by_port.items() if key[2] in truth.ports})

    lab.eventually(
        lambda: sorted(map(str, ((seen() - truth.states) + (truth.states - seen())).items())),
        want=lambda different: not different,
        tried=Text("按计划建立连接", "made connections to a plan"),
        expected=Text("每一次状态变化都数到了", "each change of state is counted"),
        hint=lambda different: Text(f"有 {len(different)} 项不同", f"{len(different)} of them differ"),
    )
    found = seen()
    both = {
        f"{old} → {new} :{port}": (count, found[old, new, port])
        for (old, new, port), count in truth.states.items()
    }
    lab.show_traffic(plan, both, Text("按计划建立连接", "made connections to a plan"))
    lab.release()
    if lab.scrape().value("events_lost_total") or lab.missed_runs():
        raise AssertionError("events were lost that nobody asked to lose")


@check("leaves")
def leaves(lab: TracerLab) -> None:
    cost = lab.cost(lab.plan(client_close=20))
    assert cost.connections == 20
    assert cost.spent.runs >= 20 * 5
    assert 0 < cost.microseconds < 1e6
    lab.show_cost(cost, cost, most=3.0)
    lab.operator.stop()
    stretch = pace.own().stretch()
    lab.step(f"一秒用了 {stretch:.1f} 秒", f"a second took {stretch:.1f}")
    lab.nothing_left()
