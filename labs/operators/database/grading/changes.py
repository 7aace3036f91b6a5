"""The spec changes, somebody else changes the children, or nothing changes at all."""

from __future__ import annotations

from labs.harness import pace
from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.kube import SERVICES, STATEFULSETS, Obj
from labs.harness.operator_lab import OperatorLab
from labs.operators.database.grading.clues import TOTAL, metric, settle, why
from labs.operators.database.grading.shape import expect_children
from labs.operators.database.grading.world import (
    DATABASES,
    Db,
    graded,
    make,
    other_engine,
    service_facts,
    statefulset_facts,
    uid_of,
    wanted_service,
    wanted_statefulset,
)

STRANGER = "team.example.com/note"
QUIET_SECONDS = 1.5


@graded("scale")
def scale(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    settle(db)
    uid = uid_of(db.statefulset())
    for size in (3, 2):
        old = db.size
        db.change(size=size)
        lab.eventually(
            lambda: statefulset_facts(db.statefulset()),
            want=wanted_statefulset(db),
            command=db.kubectl("statefulset"),
            tried=Text(f"把 {db} 的 size 从 {old} 改为 {size}", f"changed size of {db} from {old} to {size}"),
            expected=Text(
                f"StatefulSet 的 replicas 变为 {size}", f"the StatefulSet's replicas become {size}"
            ),
            hint=lambda seen: why(
                db,
                Text(
                    f"StatefulSet 仍是 {(seen or {}).get('replicas')}。",
                    f"The StatefulSet still has {(seen or {}).get('replicas')}.",
                ),
            ),
        )
        settle(db)
    _same_uid(db, uid, db.statefulset(), "StatefulSet")


@graded("engine")
def engine(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    settle(db)
    uids = [
        (what, read, uid_of(read()))
        for what, read in (("StatefulSet", db.statefulset), ("Service", db.service))
    ]
    old = db.engine
    db.change(engine=other_engine(db))
    expect_children(
        db,
        Text(
            f"把 {db} 的 engine 从 {old} 改为 {db.engine}",
            f"changed engine of {db} from {old} to {db.engine}",
        ),
    )
    for what, read, uid in uids:
        _same_uid(db, uid, read(), what)
    settle(db)


def _same_uid(db: Db, uid: str, obj: Obj | None, what: str) -> None:
    if uid_of(obj) != uid:
        raise Failed(
            tried=Text(f"修改 {db} 的 spec", f"changed the spec of {db}"),
            saw=Text(
                f"{what} 的 UID 从 {uid} 变为 {uid_of(obj)}",
                f"the {what}'s UID went from {uid} to {uid_of(obj)}",
            ),
            expected=Text("原地更新", "an update in place"),
            hint=Text(
                "重建会中断所有副本，并丢掉别人写的内容。",
                "Making it anew stops every replica and loses what others wrote.",
            ),
        )


@graded("drift")
def drift(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    settle(db)
    # The Service first and alone: events of the StatefulSet would have it repaired by the way.
    _bend_service(db)
    tried = Text("改动 Service 的端口、selector 和标签", "changed the Service's port, selector and labels")
    _expect_repaired(db, tried)
    _bend_statefulset(db)
    _expect_repaired(
        db,
        Text(
            "改动 StatefulSet 的 replicas、镜像、端口和标签",
            "changed the StatefulSet's replicas, image, port and labels",
        ),
    )
    for kind in (SERVICES, STATEFULSETS):
        lab.kube.delete(kind, db.namespace, db.name)
    _expect_repaired(db, Text("删除 StatefulSet 和 Service", "deleted the StatefulSet and the Service"))


WRONG_LABELS = {"app.kubernetes.io/managed-by": "somebody", "app.kubernetes.io/instance": None}


def _bend_service(db: Db) -> None:
    ports = [{"name": "db", "port": 4444, "targetPort": 4444}]
    spec = {"selector": {"app.kubernetes.io/instance": "other"}, "ports": ports}
    db.lab.kube.patch(SERVICES, db.namespace, db.name, {"metadata": {"labels": WRONG_LABELS}, "spec": spec})


def _bend_statefulset(db: Db) -> None:
    container = {
        "name": "database",
        "image": "registry.example.com/postgres:9.0",
        "ports": [{"name": "db", "containerPort": 4444}],
    }
    spec = {"replicas": db.size + 2, "template": {"spec": {"containers": [container]}}}
    change = {"metadata": {"labels": WRONG_LABELS}, "spec": spec}
    db.lab.kube.patch(STATEFULSETS, db.namespace, db.name, change)


def _expect_repaired(db: Db, tried: Text) -> None:
    hint = Text(
        f"标出的字段没有恢复（Database 没有变化，generation 仍是 {db.generation}）：每次 Reconcile 都要拿子"
        "对象与期望比较，并用 Owns 监听子对象。",
        "The field with the caret was not restored (the Database did not change, its generation still is "
        f"{db.generation}): "
        "compare the children with what is wanted in every Reconcile, and watch them with Owns.",
    )
    parts = (
        ("StatefulSet", lambda: statefulset_facts(db.statefulset()), wanted_statefulset(db)),
        ("Service", lambda: service_facts(db.service()), wanted_service(db)),
    )
    for what, look, want in parts:
        db.lab.eventually(
            look,
            want=want,
            tried=tried,
            hint=lambda seen: why(db, hint),
            command=db.kubectl(what.lower()),
            expected=Text(f"{what} 恢复原样", f"the {what} is as it was"),
        )


@graded("shared")
def shared(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    settle(db)
    note = {STRANGER: lab.name("keep")}
    meta = {"metadata": {"annotations": note, "labels": note}}
    for kind in (DATABASES, STATEFULSETS, SERVICES):
        lab.kube.patch(kind, db.namespace, db.name, meta)
    lab.kube.patch(STATEFULSETS, db.namespace, db.name, {"spec": {"template": meta}})
    db.change(engine=other_engine(db), size=2)
    tried = Text(
        "在 Database、子对象和 Pod 模板上加了一条注解和一个标签，再修改 spec",
        "put an annotation and a label on the Database, its children and the pod template, then changed spec",
    )
    expect_children(db, tried)
    settle(db)
    template = ((db.statefulset() or {}).get("spec") or {}).get("template")
    for what, obj in (
        ("Database", db.read()),
        ("StatefulSet", db.statefulset()),
        ("Service", db.service()),
        ("Pod 模板 / pod template", template),
    ):
        have = (obj or {}).get("metadata") or {}
        lost = [
            field
            for field in ("annotations", "labels")
            if (have.get(field) or {}).get(STRANGER) != note[STRANGER]
        ]
        if lost:
            lab.fail(
                {field: have.get(field) for field in lost},
                want=dict.fromkeys(lost, note),
                tried=tried,
                expected=Text(f"{what} 上别人的内容还在", f"what others wrote on the {what} is still there"),
                hint=Text(
                    f"{what} 的 {lost[0]} 被整个换掉了：只设置你自己的键，不要替换整个 map。",
                    f"The {lost[0]} of the {what} were replaced as a whole: set your own keys, not the map.",
                ),
            )


@graded("quiet")
def quiet(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=2)
    settle(db)
    lab.quiet(
        0.3,
        tried=Text(f"{db} 已就绪，等待写请求停下来", f"waited until {db}, ready, sees no more writes"),
        expected=Text("状态正确之后不再写入", "no more writes once the state is right"),
        hint=lambda writes: Text(
            f"最常见的是 {writes[-1]}：写之前先比较，没有差别就不写。",
            f"It goes on with {writes[-1]}: compare before you write, and do not write the same again.",
        ),
    )
    begin = lab.audit.mark()
    before = metric(TOTAL)
    for kind in (DATABASES, STATEFULSETS, SERVICES):
        db.annotate(kind, STRANGER, lab.name("poke"))
    tried = Text(
        "给 Database 和两个子对象各加一条注解，观察 1.5 秒",
        "annotated the Database and both children, then watched for 1.5 seconds",
    )
    pace.sleep(QUIET_SECONDS)  # the window that "no write" is about
    writes = lab.audit.writes(begin)
    if writes:
        lab.fail_writes(
            writes,
            tried=tried,
            expected=Text("没有任何写请求", "not one write request"),
            hint=Text(
                f"注解触发了 Reconcile，于是有了 {writes[0]}：内容没有差别时不要写，空的 patch 也算写。",
                f"The annotation led to a Reconcile, and that to {writes[0]}: do not write without a "
                "difference; an empty patch is a write too.",
            ),
        )
    _calm(lab, before, metric(TOTAL), tried)


def _calm(lab: OperatorLab, before: float | None, after: float | None, tried: Text) -> None:
    if before is None or after is None:
        lab.fail(
            Text(
                "127.0.0.1:8080/metrics 没有 controller_runtime_reconcile_total",
                "127.0.0.1:8080/metrics has no controller_runtime_reconcile_total",
            ),
            tried=tried,
            expected=Text("能读到 Reconcile 计数", "the reconcile counter can be read"),
            hint=Text("检查 main.go 里的 Metrics.BindAddress。", "Look at Metrics.BindAddress in main.go."),
        )
    count = int(after - before)
    if count > 5 + 3:  # each of the three annotations may be one more
        lab.fail(
            Text(f"1.5 秒内 Reconcile 了 {count} 次", f"{count} reconciles in 1.5 seconds"),
            tried=tried,
            expected=Text(
                "三条注解最多引起三次，之后保持安静",
                "three annotations lead to three at most, then it is calm",
            ),
            hint=Text(
                f"每秒约 {count * 2 // 3} 次：查看返回的 Requeue / RequeueAfter。Owns 会告诉你变化，不需要"
                "轮询。",
                f"That is about {count * 2 // 3} a second: look at the Requeue or RequeueAfter you return. "
                "Owns tells "
                "you of changes; no polling is needed.",
            ),
        )
