"""The real garbage collector takes the children, and a Database of the same name is another one."""

from __future__ import annotations

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.kube import SERVICES, STATEFULSETS, Kind, Obj
from labs.harness.operator_lab import OperatorLab
from labs.operators.database.grading.clues import settle, why
from labs.operators.database.grading.deletion import HOLD, expect_gone
from labs.operators.database.grading.shape import expect_children, owners
from labs.operators.database.grading.world import Db, graded, make, uid_of


@graded("garbage")
def garbage(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    settle(db)
    old = {kind: uid_of(lab.kube.find(kind, db.namespace, db.name)) for kind in (STATEFULSETS, SERVICES)}
    for kind in old:  # so that the garbage collector is not done before the operator looks
        lab.kube.patch(kind, db.namespace, db.name, {"metadata": {"finalizers": [HOLD]}})
    db.delete()
    expect_gone(db, Text(f"删除 {db}", f"deleted {db}"))
    new = make(lab, db.namespace, name=db.name)
    _left_to_the_collector(db, new, list(old))
    for kind in old:
        lab.kube.patch(kind, db.namespace, db.name, {"metadata": {"finalizers": None}})
    tried = Text(
        "让垃圾回收器删掉前任的子对象", "let the garbage collector take the predecessor's children away"
    )
    for kind, uid in old.items():
        _replaced(db, new, kind, uid, tried)
    expect_children(new, tried)
    settle(new)


def _left_to_the_collector(db: Db, new: Db, kinds: list[Kind]) -> None:
    """While the old children still are there, the new Database says NameTaken and does not touch them."""

    def hint(_seen: Obj) -> Text:
        adopted = [kind.kind for kind in kinds if _owner_uids(db, kind) != [db.uid]]
        if adopted:
            names = ", ".join(adopted)
            return Text(
                f"你接手了前任的 {names}：名字相同而 UID 不同，就不是你的。用 metav1.IsControlledBy 判断。",
                f"You took over the predecessor's {names}: with the same name and another UID it is not yours. "
                "Ask metav1.IsControlledBy.",
            )
        return why(new, Text("状态里还没有 NameTaken。", "The status does not say NameTaken."))

    db.lab.eventually(
        lambda: [new.status().get("Ready"), *(_owner_uids(db, kind) for kind in kinds)],
        want=["False NameTaken", *([db.uid] for _ in kinds)],
        tried=Text(
            "删除 Database，前任的子对象还没回收完，就以同名重建",
            "deleted a Database and made one of the same name while the old children still were there",
        ),
        command=new.kubectl("db"),
        expected=Text(
            "Ready 的 reason 是 NameTaken，前任的子对象仍归前任的 UID 所有",
            "Ready has the reason NameTaken, and the old children still belong to the old UID",
        ),
        hint=hint,
    )


def _owner_uids(db: Db, kind: Kind) -> list[str]:
    found = owners(db.lab.kube.find(kind, db.namespace, db.name))
    return [one["uid"] for one in found or []]


def _replaced(db: Db, new: Db, kind: Kind, uid: str, tried: Text) -> None:
    """The child of that kind is another object than `uid` and belongs to the new Database."""

    def read() -> Obj | None:
        return db.lab.kube.find(kind, new.namespace, new.name)

    db.lab.eventually(
        lambda: owners(read()),
        want=[{"uid": new.uid}],
        tried=tried,
        timeout=60.0,
        command=new.kubectl(kind.kind.lower()),
        expected=Text(
            f"旧的 {kind.kind} 被回收，新的 {kind.kind} 属于新的 Database",
            f"the old {kind.kind} is collected, and a new one belongs to the new Database",
        ),
        hint=lambda seen: why(
            new,
            Text(
                f"现在的 {kind.kind} 的 owner 是 {seen}（旧 UID {db.uid}，新 UID {new.uid}）。",
                f"The {kind.kind} now has owners {seen} (old UID {db.uid}, new UID {new.uid}).",
            ),
        ),
    )
    if uid_of(read()) == uid:
        raise Failed(
            tried=tried,
            saw=Text(
                f"{kind.kind} 还是旧的那个，只是换了 owner",
                f"the {kind.kind} is the old one with a new owner",
            ),
            expected=Text("不接手前任的对象", "the predecessor's object is not taken over"),
            hint=Text(
                "UID 不同就不是你的：等垃圾回收器删掉它。",
                "Another UID means it is not yours: wait for the garbage collector.",
            ),
        )
