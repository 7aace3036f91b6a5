"""Requests that fail, answers that get lost, and a process that dies."""

from __future__ import annotations

import math

from labs.harness import pace
from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.gate import Fault
from labs.harness.kube import SERVICES
from labs.harness.operator_lab import OperatorLab
from labs.operators.database.grading.clues import settle, why
from labs.operators.database.grading.shape import expect_children
from labs.operators.database.grading.world import Db, graded, make, statefulset_facts, wanted_statefulset

ATTEMPTS = 8
SPREAD_SECONDS = 0.25


@graded("retries")
def retries(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    settle(db)
    since = lab.gate.seq()
    lab.gate.faults(
        [
            Fault("write", "statefulsets", "conflict", count=2),
            Fault("write", "databases/status", "503", count=2),
        ],
        lab.seed,
    )
    db.change(size=2)
    _survives(
        db,
        since,
        Text(
            "修改 size，同时对 StatefulSet 的写入返回 409、对 status 的写入返回 503，各两次",
            "changed size, answering two writes of the StatefulSet with 409 and two of the status with 503",
        ),
    )
    since = lab.gate.seq()
    lab.gate.faults(
        [
            Fault("create", "services", "drop_after_write", count=1),
            Fault("create", "statefulsets", "500", count=2),
            Fault("write", "configmaps", "503"),
        ],
        lab.seed,
    )
    late = make(lab, db.namespace, size=1)
    tried = Text(
        "创建 Database：Service 已写入但应答丢失，StatefulSet 的创建失败两次，登记记录一直写不进去，直到一切平静下来",
        "created a Database: the Service was stored but the answer lost, creating the StatefulSet failed "
        "twice, and the record could not be written until all was calm",
    )
    _wait_calm(late, tried)
    lab.gate.clear()
    _survives(late, since, tried)
    expect_children(late, tried)


def _wait_calm(db: Db, tried: Text) -> None:
    """The StatefulSet is ready and changes no more: from now on no event helps the operator along."""
    db.lab.eventually(
        lambda: ((db.statefulset() or {}).get("status") or {}).get("readyReplicas", 0),
        want=db.size,
        timeout=12.0,
        tried=tried,
        expected=Text("StatefulSet 创建成功", "the StatefulSet is made all the same"),
        hint=lambda seen: why(db, Text("失败两次之后没有再试。", "No attempt came after two failures.")),
    )
    db.lab.quiet(
        0.2,
        tried=tried,
        expected=Text("状态写好之后不再写入", "no more writes than are needed"),
        hint=lambda writes: Text(f"还在写：{writes[-1]}", f"It still writes: {writes[-1]}"),
    )


def _survives(db: Db, since: int, tried: Text) -> None:
    def gave_up(seen: object) -> Text:
        hit = [r for r in db.lab.gate.requests(since) if r.fault]
        told = ", ".join(str(r) for r in hit[-4:])
        return Text(
            f"被注入故障的请求：{told}。之后没有再试：把错误从 Reconcile 返回，队列会替你退避重试。",
            f"Requests that were made to fail: {told}. No further attempt came: return the error from "
            "Reconcile, the queue retries with back-off for you.",
        )

    db.lab.eventually(
        lambda: statefulset_facts(db.statefulset()),
        want=wanted_statefulset(db),
        timeout=12.0,
        tried=tried,
        hint=gave_up,
        expected=Text("重试到成功为止", "it retries until it succeeds"),
        command=db.kubectl("statefulset"),
    )
    try:
        settle(db, timeout=12.0)
    except Failed as failed:
        failed.tried, failed.hint = tried, gave_up(None)
        raise


@graded("back-off")
def back_off(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    settle(db)
    since = lab.gate.seq()
    lab.gate.faults([Fault("write", "statefulsets", "503")], lab.seed)
    db.change(size=2)
    tried = Text(
        "让 StatefulSet 的写入一直返回 503，直到 8 次尝试",
        "answered every write of the StatefulSet with 503, until 8 attempts were made",
    )
    expected = Text(
        "8 次尝试至少分散在 0.25 秒之上，故障消失后完成",
        "eight attempts spread over 0.25 s at least, and success afterwards",
    )
    begun = pace.now()
    hit = lab.eventually(
        lambda: [r for r in lab.gate.requests(since) if r.fault and r.name == db.name],
        # whoever waits longer than the default between attempts backs off all the more
        want=lambda seen: len(seen) >= ATTEMPTS or (len(seen) >= 2 and pace.now() - begun > 4.0),
        tried=tried,
        expected=expected,
        timeout=15.0,
        hint=lambda seen: why(
            db, Text(f"只有 {len(seen)} 次尝试。", f"There were {len(seen)} attempts only.")
        ),
    )
    lab.gate.clear()
    spread = hit[ATTEMPTS - 1].at - hit[0].at if len(hit) >= ATTEMPTS else math.inf
    if spread < SPREAD_SECONDS:
        raise Failed(
            tried=tried,
            expected=expected,
            saw=Text(
                f"前 8 次尝试发生在 {spread * 1000:.0f} 毫秒内",
                f"the first eight attempts came within {spread * 1000:.0f} ms",
            ),
            hint=Text(
                "循环里立即重试会压垮正在恢复的 API server。返回错误，让队列按指数退避。",
                "Retrying at once in a loop keeps a recovering API server down. Return the error: the queue "
                "backs off exponentially.",
            ),
        )
    settle(db)


@graded("restart")
def restart(lab: OperatorLab) -> None:
    ns = lab.namespace()
    grown, doomed = make(lab, ns, size=1), make(lab, ns, size=1)
    for db in (grown, doomed):
        settle(db)
    blocked = lab.random.choice(["services", "statefulsets", "configmaps"])
    since = lab.gate.seq()
    lab.gate.faults([Fault("write", blocked, "500")], lab.seed)
    fresh = make(lab, ns, size=1)
    lab.eventually(
        lambda: [r for r in lab.gate.requests(since) if r.fault],
        want=lambda seen: len(seen) >= 1,
        tried=Text(
            f"让 {blocked} 的写入失败，创建 {fresh}", f"made writes of {blocked} fail, then created {fresh}"
        ),
        expected=Text(f"你的程序尝试创建 {blocked}", f"your program tries to create {blocked}"),
        hint=lambda seen: why(fresh, Text("没有看到这次尝试。", "That attempt never came.")),
    )
    lab.operator.kill()
    lab.step("在两次写入之间 SIGKILL", "SIGKILL between two writes")
    grown.change(size=2)
    lab.kube.delete(SERVICES, ns, grown.name)
    doomed.delete()
    lab.gate.clear()
    lab.operator.start(connect_within=20.0)
    tried = Text(
        f"在创建 {blocked} 之前杀死进程；停机期间修改、删除了别的 Database；再启动",
        f"killed the process before it could create {blocked}, changed and deleted other Databases "
        "meanwhile, started it",
    )
    for db in (fresh, grown):
        _caught_up(db, tried)
    lab.eventually(
        lambda: [
            what
            for what, read in (("Database", doomed.read), ("ConfigMap", doomed.record))
            if read() is not None
        ],
        want=[],
        tried=tried,
        expected=Text(f"停机期间删除的 {doomed} 完成清理", f"{doomed}, deleted meanwhile, is cleaned up"),
        hint=lambda seen: why(
            doomed,
            Text(
                "启动后每个 Database 都会触发一次 Reconcile：从现状出发，不要依赖删除事件。",
                "After a start each Database leads to a Reconcile: begin with what is, not with events.",
            ),
        ),
    )


def _caught_up(db: Db, tried: Text) -> None:
    try:
        expect_children(db, tried, timeout=12.0)
        settle(db, timeout=12.0)
    except Failed as failed:
        failed.tried = tried
        raise
