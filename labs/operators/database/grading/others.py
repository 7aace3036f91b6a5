"""Databases among others: neighbours of the same name, bystanders, and names that are taken."""

from __future__ import annotations

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.kube import CONFIGMAPS, SERVICES, STATEFULSETS, Kind, Obj
from labs.harness.operator_lab import OperatorLab
from labs.operators.database.grading.clues import settle, why
from labs.operators.database.grading.shape import expect_children
from labs.operators.database.grading.world import (
    ENGINES,
    REGISTRY,
    Db,
    graded,
    labels,
    make,
    selector,
    uid_of,
)


@graded("neighbours")
def neighbours(lab: OperatorLab) -> None:
    here, there = lab.namespace("here"), lab.namespace("there")
    name = lab.name("db")
    engines = lab.random.sample(sorted(ENGINES), k=3)
    watched = _bystanders(lab, here, name)
    made = [
        make(lab, here, name=name, engine=engines[0], size=1),
        make(lab, there, name=name, engine=engines[1], size=2),
        make(lab, here, name=f"{name}-2", engine=engines[2], size=1),
    ]
    tried = Text(
        f"同时创建 {', '.join(map(str, made))}，engine 各不相同",
        f"created {', '.join(map(str, made))} at once, each with an engine of its own",
    )
    for db in made:
        expect_children(db, tried)
        settle(db)
    first, *rest = made
    kept = [(db, uid_of(db.statefulset()), uid_of(db.service()), uid_of(db.record())) for db in rest]
    first.delete()
    lab.eventually(
        first.read,
        want=None,
        tried=Text(f"删除 {first}", f"deleted {first}"),
        command=first.kubectl("db"),
        expected=Text("它消失", "it goes away"),
        hint=lambda seen: why(first, Text("finalizer 没有移除。", "Its finalizer is still there.")),
    )
    rest[0].change(size=3)
    settle(rest[0])
    for db, *uids in kept:
        _untouched(db, uids, first)
    _unchanged(lab, watched)


def _untouched(db: Db, uids: list[str], gone: Db) -> None:
    now = [uid_of(db.statefulset()), uid_of(db.service()), uid_of(db.record())]
    for what, old, new in zip(("StatefulSet", "Service", "ConfigMap"), uids, now, strict=True):
        if old != new:
            raise Failed(
                tried=Text(f"删除 {gone}", f"deleted {gone}"),
                saw=Text(
                    f"{db} 的 {what} 的 UID 从 {old} 变为 {new}",
                    f"the {what} of {db} went from UID {old} to {new}",
                ),
                expected=Text(f"{db} 不受影响", f"{db} does not notice"),
                hint=Text(
                    "定位对象要同时用命名空间和完整的名字。",
                    "Find objects by namespace and full name together.",
                ),
            )


def _bystanders(lab: OperatorLab, namespace: str, name: str) -> list[tuple[Kind, Obj]]:
    """Objects that look like a Database's and belong to none."""
    like = {"labels": labels(name)}
    pod = {
        "metadata": {"labels": selector("bystander")},
        "spec": {"containers": [{"name": "database", "image": "x"}]},
    }
    statefulset = {
        "serviceName": "x",
        "replicas": 0,
        "selector": {"matchLabels": selector("bystander")},
        "template": pod,
    }
    made = [
        (
            STATEFULSETS,
            {"metadata": {"namespace": namespace, "name": f"{name}-extra", **like}, "spec": statefulset},
        ),
        (
            SERVICES,
            {
                "metadata": {"namespace": namespace, "name": f"{name}-extra", **like},
                "spec": {"ports": [{"port": 80}], "selector": selector("bystander")},
            },
        ),
        (
            CONFIGMAPS,
            {
                "metadata": {"namespace": REGISTRY, "name": f"{namespace}.{name}-extra", **like},
                "data": {"a": "b"},
            },
        ),
    ]
    return [(kind, lab.kube.create(kind, obj)) for kind, obj in made]


def _unchanged(lab: OperatorLab, watched: list[tuple[Kind, Obj]]) -> None:
    for kind, old in watched:
        meta = old["metadata"]
        new = lab.kube.find(kind, meta["namespace"], meta["name"])
        if new is None or _content(new) != _content(old):
            lab.fail(
                new and _content(new),
                tried=Text(
                    "放一个标签相同、但不属于任何 Database 的对象",
                    "put an object of the same labels that belongs to no Database",
                ),
                expected=Text(
                    f"{kind.kind} {meta['namespace']}/{meta['name']} 原样不变",
                    f"{kind.kind} {meta['namespace']}/{meta['name']} stays as it was",
                ),
                hint=Text(
                    "按标签选取会选中别人的对象。", "Selecting by label also finds other people's objects."
                ),
            )


def _content(obj: Obj) -> Obj:
    meta = {key: obj["metadata"].get(key) for key in ("uid", "labels", "annotations", "ownerReferences")}
    return {"metadata": meta, "spec": obj.get("spec"), "data": obj.get("data")}


@graded("name-taken")
def name_taken(lab: OperatorLab) -> None:
    ns = lab.namespace()
    lab.kubelet.serve(ns)
    taken = [
        (kind, lab.kube.create(kind, _foreign(kind, ns, lab.name("db")))) for kind in (SERVICES, STATEFULSETS)
    ]
    foreign = taken[1][1]["metadata"]["name"]
    lab.kube.wait(STATEFULSETS, ns, foreign, lambda obj: _ready_replicas(obj) == 1)
    made = [(kind, old, make(lab, ns, name=old["metadata"]["name"], size=1)) for kind, old in taken]
    for kind, old, db in made:
        _expect_name_taken(db, kind, old)
    lab.quiet(
        0.2,
        tried=Text("名字一直被占用", "left the names taken"),
        expected=Text("状态写好之后不再写入", "no more writes once the status says so"),
        hint=lambda writes: Text(f"还在写：{writes[-1]}", f"It still writes: {writes[-1]}"),
    )
    for kind, _, db in made:
        lab.kube.delete(kind, ns, db.name)
    for kind, _, db in made:
        tried = Text(f"删除占用名字的 {kind.kind}", f"deleted the {kind.kind} that held the name")
        expect_children(db, tried, timeout=6.0)
        settle(db)


def _ready_replicas(obj: Obj | None) -> int:
    return int(((obj or {}).get("status") or {}).get("readyReplicas", 0))


def _expect_name_taken(db: Db, kind: Kind, old: Obj) -> None:
    tried = Text(
        f"先创建一个不属于任何人的 {kind.kind} {db}，再创建同名的 Database",
        f"created a {kind.kind} {db} that nobody owns, then a Database of that name",
    )
    want = {"observedGeneration": 1, "Ready": "False NameTaken", "Progressing": "False NameTaken"}
    if kind is STATEFULSETS:
        want["readyReplicas"] = 0  # its one ready replica is somebody else's
    db.lab.eventually(
        db.status,
        want=want,
        tried=tried,
        command=db.kubectl("db"),
        expected=Text(
            "Ready 和 Progressing 都是 False，reason 为 NameTaken；别人的副本不算在内",
            "Ready and Progressing are False, reason NameTaken, and other people's replicas do not count",
        ),
        hint=lambda seen: why(db, _adopted(db.lab, kind, old)),
    )
    _left_alone(db.lab, kind, old, tried)


def _foreign(kind: Kind, namespace: str, name: str) -> Obj:
    """An object of that name which belongs to nobody, with a ready replica if it is a StatefulSet."""
    meta = {"namespace": namespace, "name": name, "labels": {"app": "legacy"}}
    if kind is SERVICES:
        spec: Obj = {"clusterIP": "None", "ports": [{"port": 80}], "selector": {"app": "legacy"}}
        return {"metadata": meta, "spec": spec}
    container = {"name": "database", "image": "legacy"}
    pod = {"metadata": {"labels": {"app": "legacy"}}, "spec": {"containers": [container]}}
    chosen = {"matchLabels": {"app": "legacy"}}
    return {
        "metadata": meta,
        "spec": {"serviceName": "legacy", "replicas": 1, "selector": chosen, "template": pod},
    }


def _adopted(lab: OperatorLab, kind: Kind, old: Obj) -> Text:
    meta = old["metadata"]
    new = lab.kube.find(kind, meta["namespace"], meta["name"])
    if new is None or _content(new) != _content(old):
        return Text(
            f"你改动了别人的 {kind.kind}：写之前先用 metav1.IsControlledBy 判断。",
            f"You changed somebody else's {kind.kind}: ask metav1.IsControlledBy before you write.",
        )
    return Text(
        "对象没有被改动，这很好；还差状态里的 NameTaken。",
        "The object was left alone, which is right; the status still has to say NameTaken.",
    )


def _left_alone(lab: OperatorLab, kind: Kind, old: Obj, tried: Text) -> None:
    meta = old["metadata"]
    new = lab.kube.find(kind, meta["namespace"], meta["name"])
    if new is None or _content(new) != _content(old):
        lab.fail(
            new and _content(new),
            want=_content(old),
            tried=tried,
            hint=_adopted(lab, kind, old),
            expected=Text(f"{kind.kind} 原样不变", f"the {kind.kind} stays as it was"),
        )
