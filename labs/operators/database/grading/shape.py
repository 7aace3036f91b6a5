"""What a Database leads to: its children, its record, who owns them, and in which order they come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from labs.harness.audit import Mark
from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.gate import Fault
from labs.harness.kube import Obj
from labs.harness.operator_lab import OperatorLab
from labs.harness.process import NeverConnected
from labs.operators.database.grading.clues import why
from labs.operators.database.grading.world import (
    ENGINES,
    FINALIZER,
    Db,
    graded,
    make,
    record_facts,
    service_facts,
    statefulset_facts,
    wanted_record,
    wanted_service,
    wanted_statefulset,
)


@graded("connects")
def connects(lab: OperatorLab) -> None:
    tried = Text("启动你的程序，再创建一个 Database", "started your program, then created a Database")
    expected = Text(
        "程序连上 API server，并为这个 Database 写入点什么",
        "it connects and writes something for that Database",
    )
    if not lab.operator.running:
        try:
            lab.operator.start(connect_within=20.0)
        except NeverConnected:
            raise Failed(
                tried=tried,
                expected=expected,
                saw=Text("20 秒内没有一个请求", "not one request within 20 seconds"),
                hint=Text(
                    "用 ctrl.GetConfig() 读取 KUBECONFIG，并启动 manager。",
                    "Read KUBECONFIG with ctrl.GetConfig() and start the manager.",
                ),
            ) from None
    begin = lab.audit.mark()
    db = make(lab, lab.namespace(), size=1)
    lab.eventually(
        lambda: _writes(lab, begin),
        want=lambda seen: seen is None,
        timeout=15.0,
        tried=tried,
        expected=expected,
        hint=lambda seen: why(db, _silent(lab)),
        command=db.kubectl("db"),
    )


def _writes(lab: OperatorLab, begin: Mark) -> Text | None:
    """None once a write succeeded, else what was seen instead."""
    asked = lab.audit.writes(begin)
    if any(entry.code < 300 for entry in asked):
        return None
    told = ", ".join(map(str, asked[-3:]))
    return Text(told or "没有一个写请求", told or "not one write request")


def _silent(lab: OperatorLab) -> Text:
    asked = {r.resource for r in lab.gate.requests() if r.verb in ("list", "watch")}
    if "databases" not in asked:
        return Text(
            "你的程序没有 watch databases：SetupWithManager 里要有 For(&Database{})。",
            "Your program does not watch databases: SetupWithManager needs For(&Database{}).",
        )
    return Text(
        "你的程序在 watch Database，但 Reconcile 没有发出任何写请求。从 finalizer 开始写。",
        "Your program watches Databases, but Reconcile asks for no write. Start with the finalizer.",
    )


@graded("children")
def children(lab: OperatorLab) -> None:
    ns = lab.namespace("shop")
    sizes = lab.random.sample(range(1, 6), k=len(ENGINES))
    made = [make(lab, ns, engine=engine, size=size) for engine, size in zip(ENGINES, sizes, strict=True)]
    for db in made:
        expect_children(
            db,
            Text(
                f"创建 {db}：{db.engine}，{db.size} 个副本", f"created {db}: {db.engine}, {db.size} replicas"
            ),
        )


def expect_children(db: Db, tried: Text, timeout: float = 10.0) -> None:
    """StatefulSet, Service and record become as the brief says."""

    def hint(what: str, seen: Obj | None) -> Text:
        if seen is None:
            return why(
                db,
                Text(
                    f"{what} 还不存在。名字要和 Database 一样，命名空间也一样。",
                    f"{what} is not there. It has the name and the namespace of the Database.",
                ),
            )
        return why(
            db,
            Text(
                f"{what} 已存在，但标出的字段与简介不符。",
                f"{what} is there, but the field with the caret is not as the brief says.",
            ),
        )

    parts = (
        (
            "StatefulSet",
            lambda: statefulset_facts(db.statefulset()),
            wanted_statefulset(db),
            db.kubectl("statefulset"),
        ),
        ("Service", lambda: service_facts(db.service()), wanted_service(db), db.kubectl("service")),
        (
            "ConfigMap database-registry/" + f"{db.namespace}.{db.name}",
            lambda: wanted_record(db) if _collected(db) else record_facts(db.record()),
            wanted_record(db),
            f"kubectl -n database-registry get configmap {db.namespace}.{db.name} -o yaml",
        ),
    )
    for what, look, want, command in parts:
        db.lab.eventually(
            look,
            want=want,
            tried=tried,
            timeout=timeout,
            command=command,
            expected=Text(f"{what} 与简介的表格一致", f"{what} as the brief's table says"),
            hint=partial(hint, what),
        )


def _collected(db: Db) -> bool:
    """Whether the garbage collector has deleted the record: its owner is the matter then, see `ownership`.

    It may come before or after the first look, and the same mistake must meet the same check.
    """
    if db.record() is not None:
        return False
    deleted = db.lab.audit.entries(verb="delete", resource="configmaps", name=f"{db.namespace}.{db.name}")
    return any(entry.user.startswith("system:") for entry in deleted)


@graded("ownership")
def ownership(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    tried = Text(
        f"创建 {db}，查看子对象的 ownerReferences", f"created {db} and read its children's ownerReferences"
    )
    want = [
        {
            "apiVersion": "database.example.com/v1",
            "kind": "Database",
            "name": db.name,
            "uid": db.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    for what, read in (("StatefulSet", db.statefulset), ("Service", db.service)):
        lab.eventually(
            partial(_owners_of, read),
            want=want,
            tried=tried,
            command=db.kubectl(what.lower()),
            expected=Text(
                f"{what} 恰好有一个 owner：这个 Database，controller 和 blockOwnerDeletion 为 true",
                f"{what} has one owner, this Database, with controller and blockOwnerDeletion true",
            ),
            hint=partial(_unowned, db, what),
        )
    lab.eventually(
        lambda: owners(db.record()),
        want=[],
        tried=tried,
        expected=Text(
            "登记记录存在，且没有 ownerReferences", "the record is there and has no ownerReferences"
        ),
        hint=Text(
            "owner reference 不能跨命名空间：垃圾回收器会认为 owner 不存在而删掉记录。",
            "An owner reference cannot cross namespaces: the garbage collector takes the owner for gone.",
        ),
    )


def _unowned(db: Db, what: str, seen: list[Obj] | None) -> Text:
    if seen is None:
        return why(db, Text(f"{what} 不存在。", f"There is no {what}."))
    if not seen:
        return Text(
            f"{what} 没有 ownerReferences：删除 Database 后没人回收它，它的变化也不会触发你的 Reconcile。",
            f"{what} has no ownerReferences: nobody collects it after its Database, and its changes do not "
            "reach your Reconcile.",
        )
    return Text(
        "用 controllerutil.SetControllerReference 可以一次设好这些字段。",
        "controllerutil.SetControllerReference sets all of these fields.",
    )


def _owners_of(read: Callable[[], Obj | None]) -> list[Obj] | None:
    return owners(read())


def owners(obj: Obj | None) -> list[Obj] | None:
    return None if obj is None else obj["metadata"].get("ownerReferences", [])


@graded("finalizer-first")
def finalizer_first(lab: OperatorLab) -> None:
    tried = Text(
        "让所有对 Database 本身的写入都失败（500），再创建一个 Database",
        "made every write to Databases themselves fail (500), then created one",
    )
    since = lab.gate.seq()
    lab.gate.faults([Fault("write", "databases", "500")], lab.seed)
    db = make(lab, lab.namespace(), size=1)
    lab.eventually(
        lambda: [r for r in lab.gate.requests(since) if r.fault and r.name == db.name],
        want=lambda seen: len(seen) >= 3,
        tried=tried,
        expected=Text("你的程序不断尝试加上 finalizer", "your program keeps trying to add its finalizer"),
        hint=lambda seen: why(
            db,
            Text(
                "没有看到对 Database 的写入：finalizer 没有加，或加在最后。",
                "No write to the Database came: the finalizer is missing, or comes last.",
            ),
        ),
    )
    early = [
        what
        for what, read in (("StatefulSet", db.statefulset), ("Service", db.service), ("ConfigMap", db.record))
        if read() is not None
    ]
    if early:
        names = ", ".join(early)
        raise Failed(
            tried=tried,
            saw=Text(
                f"finalizer 还没有写入，{names} 已经存在", f"without the finalizer there already is: {names}"
            ),
            expected=Text(
                "finalizer 写入成功之前，什么都不创建", "nothing is created before the finalizer is stored"
            ),
            hint=Text(
                "如果此刻 Database 被删除，登记记录就永远留下了。先写 finalizer，写失败就返回错误。",
                "Were the Database deleted now, its record would stay for ever. Store the finalizer first "
                "and return "
                "the error when that fails.",
            ),
        )
    lab.gate.clear()
    lab.eventually(
        lambda: (db.read() or {})["metadata"].get("finalizers", []),
        want=[FINALIZER],
        tried=tried,
        expected=Text(
            f"故障消失后 finalizer {FINALIZER} 出现",
            f"once the fault is over, the finalizer {FINALIZER} is there",
        ),
        hint=lambda seen: why(db, Text("finalizer 没有写上。", "The finalizer is not there.")),
        command=db.kubectl("db"),
    )
    expect_children(db, tried)
