"""Status tells what is: replicas, conditions, generations and the times of transitions."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import pairwise

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.kube import Obj
from labs.harness.operator_lab import OperatorLab
from labs.operators.database.grading.clues import History, settle, why
from labs.operators.database.grading.world import (
    Db,
    condition,
    graded,
    make,
    other_engine,
    ready_facts,
    status_facts,
)

NOT_READY = "False ReplicasNotReady"


@graded("status")
def status(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=2)
    tried = Text("创建后不让任何 Pod 就绪", "created it and let no pod get ready")
    _expect(db, 0, {"Ready": NOT_READY}, tried)
    if ((db.statefulset() or {}).get("spec") or {}).get("podManagementPolicy") != "Parallel":
        # the second pod waits for the first; with Parallel both are there, and the roll-out is complete
        _expect(db, 0, {"Ready": NOT_READY, "Progressing": "True RollingOut"}, tried)
    lab.kubelet.ready_pods(db.namespace, db.name, 1)
    _expect(
        db,
        1,
        {"Ready": NOT_READY},
        Text("让 2 个 Pod 中的 1 个就绪", "made 1 of its 2 pods ready"),
    )
    lab.kubelet.ready_pods(db.namespace, db.name, 2)
    _expect(db, 2, ready_facts(db), Text("让 2 个 Pod 都就绪", "made both pods ready"))
    lab.kubelet.set_ready(db.namespace, f"{db.name}-0", False)
    _expect(
        db,
        1,
        {"Ready": NOT_READY, "Progressing": "False RolledOut"},
        Text("发布完成后，让一个 Pod 失去就绪", "after the roll-out, made one pod lose its readiness"),
    )


def _expect(db: Db, ready: int, conditions: Obj, tried: Text) -> None:
    want = {"readyReplicas": ready, **conditions}
    db.lab.eventually(
        db.status,
        want=want,
        tried=tried,
        command=db.kubectl("db"),
        expected=Text(
            "状态与 StatefulSet 的真实状态一致", "the status says what the StatefulSet really reports"
        ),
        hint=lambda seen: why(db, _compare(db, seen)),
    )


def _compare(db: Db, seen: Obj) -> Text:
    real = ((db.statefulset() or {}).get("status") or {}).get("readyReplicas", 0)
    said = seen.get("readyReplicas")
    if said is None:
        return Text(
            "Database 还没有状态。要用 Status().Update 或 Status().Patch 写入：普通的 Update 会忽略 status。",
            "The Database has no status. Write it with Status().Update or Status().Patch: a plain Update "
            "ignores it.",
        )
    if said == db.size != real:
        return Text(
            f"StatefulSet 报告 readyReplicas={real}，你写的 {said} 却是 spec.size。",
            f"The StatefulSet reports readyReplicas={real}; the {said} you wrote is spec.size.",
        )
    if said != real:
        return Text(
            f"StatefulSet 报告 readyReplicas={real}，你写的是 {said}：它的状态变化没有触发你的 Reconcile 吗"
            "？",
            f"The StatefulSet reports readyReplicas={real}, you wrote {said}: does a change of its status "
            "lead to "
            "your Reconcile?",
        )
    return Text(
        "readyReplicas 是对的，不对的是 Condition：对照简介里的表格。",
        "readyReplicas is right, a condition is not: compare with the brief's table.",
    )


@graded("observed-generation")
def observed_generation(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    _generation(db, Text("创建 Database", "created a Database"))
    db.change(size=2)
    _generation(
        db,
        Text("把 size 改为 2，metadata.generation 变为 2", "changed size to 2, so metadata.generation is 2"),
    )


def _generation(db: Db, tried: Text) -> None:
    def look() -> Obj:
        obj = db.read()
        return {
            "status": ((obj or {}).get("status") or {}).get("observedGeneration"),
            **{kind: condition(obj, kind).get("observedGeneration") for kind in ("Ready", "Progressing")},
        }

    db.lab.eventually(
        look,
        want=dict.fromkeys(("status", "Ready", "Progressing"), db.generation),
        tried=tried,
        expected=Text(
            f"status 和两个 Condition 的 observedGeneration 都是 {db.generation}",
            f"observedGeneration is {db.generation} in status and in both conditions",
        ),
        hint=lambda seen: why(
            db,
            Text(
                f"metadata.generation 是 {db.generation}，你写的是 {seen}：读者无法分辨状态讲的是新 spec 还"
                "是旧 spec。",
                f"metadata.generation is {db.generation}, you wrote {seen}: a reader cannot tell "
                "whether the status is about the new spec or the old one.",
            ),
        ),
        command=db.kubectl("db"),
    )


@graded("transition-time")
def transition_time(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=2)
    with History(db) as history:
        _expect(db, 0, {"Ready": NOT_READY}, Text("创建 Database", "created a Database"))
        _next_second(condition(db.read(), "Ready"))  # the field knows whole seconds only
        lab.kubelet.ready_pods(db.namespace, db.name, 1)
        _expect(db, 1, {"Ready": NOT_READY}, Text("让一个 Pod 就绪", "made one pod ready"))
        marked = int(time.time())
        lab.kubelet.ready_pods(db.namespace, db.name, 2)
        _expect(db, 2, ready_facts(db), Text("让两个 Pod 都就绪", "made both pods ready"))
        versions = [obj for _, obj in history.versions()]
    for kind in ("Ready", "Progressing"):
        _moves_only_on_change(kind, [condition(obj, kind) for obj in versions if condition(obj, kind)])
    _moved(condition(versions[-1], "Ready"), marked)


def _next_second(one: Obj) -> None:
    while time.time() < _seconds(one) + 1.05:
        time.sleep(0.02)


def _seconds(one: Obj) -> float:
    """0 for a time that the API server lets through and no calendar has, such as the year 0."""
    try:
        return datetime.fromisoformat(one["lastTransitionTime"]).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _moves_only_on_change(kind: str, row: list[Obj]) -> None:
    for old, new in pairwise(row):
        if old["status"] == new["status"] and old["lastTransitionTime"] != new["lastTransitionTime"]:
            raise Failed(
                tried=Text(
                    "2 个 Pod 先后就绪，记录 Database 的每个版本",
                    "made 2 pods ready one by one and kept every version",
                ),
                saw=Text(
                    f"{kind} 一直是 {old['status']}，lastTransitionTime 却从 {old['lastTransitionTime']} 变"
                    "为 "
                    f"{new['lastTransitionTime']}",
                    f"{kind} stayed {old['status']}, yet lastTransitionTime went from "
                    f"{old['lastTransitionTime']} to "
                    f"{new['lastTransitionTime']}",
                ),
                expected=Text(
                    "lastTransitionTime 只在 status 变化时改变",
                    "lastTransitionTime moves only when status changes",
                ),
                hint=Text(
                    f"两个版本之间变的只是其他字段（message：{old['message']!r} → "
                    f"{new['message']!r}）。meta.SetStatusCondition 会保留旧时间。",
                    f"Only other fields changed between these versions (message: {old['message']!r} → "
                    f"{new['message']!r}). meta.SetStatusCondition keeps the old time.",
                ),
            )


def _moved(ready: Obj, marked: int) -> None:
    if _seconds(ready) < marked:
        raise Failed(
            tried=Text(
                "让最后一个 Pod 就绪，Ready 变为 True", "made the last pod ready, so Ready became True"
            ),
            saw=Text(
                f"lastTransitionTime 是 {ready['lastTransitionTime']}，早于这次变化",
                f"lastTransitionTime is {ready['lastTransitionTime']}, before that change",
            ),
            expected=Text(
                "lastTransitionTime 是 status 变化的时间", "lastTransitionTime is when status changed"
            ),
            hint=Text("status 变了，时间也要更新。", "When status changes, so does the time."),
        )


@graded("rollout")
def rollout(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=2)
    settle(db)
    lab.kubelet.hold(db.namespace)
    tried = Text(
        "两个副本就绪后更换 engine，新 Pod 暂不就绪",
        "changed engine with both replicas ready, and let no new pod get ready",
    )
    with History(db) as history:
        db.change(engine=other_engine(db))
        lab.eventually(
            db.status,
            want={"observedGeneration": db.generation, "Ready": NOT_READY, "Progressing": "True RollingOut"},
            tried=tried,
            command=db.kubectl("db"),
            expected=Text(
                "Progressing=True，Ready=False，直到新 Pod 就绪",
                "Progressing=True and Ready=False until the new pods are ready",
            ),
            hint=lambda seen: why(db, _revision(db)),
        )
        early = [
            obj
            for _, obj in history.versions()
            if status_facts(obj).get("observedGeneration") == db.generation
            and condition(obj, "Ready").get("status") == "True"
        ]
    if early:
        lab.fail(
            status_facts(early[0]),
            tried=tried,
            expected=Text(
                f"带着 observedGeneration={db.generation} 时，旧 Pod 还在就不能报告 Ready",
                f"with observedGeneration={db.generation}, no Ready while the old pods still run",
            ),
            hint=Text(
                "这个版本只存在了一瞬间。要么你用写入之前读到的 StatefulSet 算了状态（应当用 Update 返回的对象，并比较 "
                "generation 与 observedGeneration），要么只看 readyReplicas 会把旧 Pod 也算进去。",
                "This version lived only a moment. Either you computed it from a StatefulSet read before your write "
                "(use what Update answered, and compare generation with observedGeneration), or "
                "readyReplicas alone counts the old pods too.",
            ),
        )
    settle(db)


def _revision(db: Db) -> Text:
    told = (db.statefulset() or {}).get("status") or {}
    ready, updated, size = told.get("readyReplicas", 0), told.get("updatedReplicas", 0), db.size
    return Text(
        f"StatefulSet 报告 updatedReplicas={updated}、readyReplicas={ready}，size 是 {size}：只看 "
        "readyReplicas 会把旧 Pod 也算进去。",
        f"The StatefulSet reports updatedReplicas={updated}, readyReplicas={ready} of size {size}: "
        "readyReplicas alone counts "
        "the old pods too.",
    )
