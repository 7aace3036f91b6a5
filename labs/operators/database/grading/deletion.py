"""The end of a Database, and the end of the operator."""

from __future__ import annotations

import time

from labs.harness import pace
from labs.harness.checks import Failed, NotInTime
from labs.harness.events import Text
from labs.harness.gate import Fault
from labs.harness.kube import SERVICES, STATEFULSETS
from labs.harness.operator_lab import OperatorLab
from labs.operators.database.grading.clues import ERRORS, last_error, metric, settle, why
from labs.operators.database.grading.shape import expect_children
from labs.operators.database.grading.world import DATABASES, FINALIZER, Db, graded, make

HOLD = "grader.example.com/hold"
GONE_SECONDS = 1.2
HELD_SECONDS = 0.5
# The window of "gone" opens when "cleanup" is done and goes on during "held": waiting once is enough.
_after_cleanup: dict[int, tuple[float | None, float]] = {}


@graded("cleanup")
def cleanup(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    settle(db)
    db.delete()
    tried = Text(f"删除 {db}", f"deleted {db}")
    expect_gone(db, tried)
    _no_record(db, tried)
    _after_cleanup[lab.seed] = metric(ERRORS), time.monotonic()


def expect_gone(db: Db, tried: Text, timeout: float = 10.0) -> None:
    db.lab.eventually(
        lambda: _finalizers(db),
        want=None,
        tried=tried,
        timeout=timeout,
        command=db.kubectl("db"),
        expected=Text("Database 消失", "the Database goes away"),
        hint=lambda seen: why(
            db,
            Text(
                f"它还在，finalizers 是 {seen}：清理成功后要移除自己的 finalizer 并写回。",
                f"It is still there with finalizers {seen}: take yours away once the clean-up is done, "
                "and store that.",
            ),
        ),
    )


def _finalizers(db: Db) -> list[str] | None:
    obj = db.read()
    return None if obj is None else obj["metadata"].get("finalizers", [])


def _no_record(db: Db, tried: Text) -> None:
    if db.record() is not None:
        raise Failed(
            tried=tried,
            saw=Text(
                f"Database 已消失，登记记录 database-registry/{db.namespace}.{db.name} 还在",
                f"the Database is gone, its record database-registry/{db.namespace}.{db.name} is not",
            ),
            expected=Text(
                "finalizer 移除之前，记录已经删除", "the record is deleted before the finalizer goes"
            ),
            hint=Text(
                "记录没有 owner，没有别人会删它。先删除记录，成功之后才移除 finalizer。",
                "The record has no owner, so nobody else deletes it. Delete it first; take the finalizer "
                "away only when "
                "that succeeded.",
            ),
        )


@graded("held")
def held(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1, finalizers=(HOLD,))
    settle(db)
    db.delete()
    tried = Text(
        "删除一个还带着别人 finalizer 的 Database",
        "deleted a Database that also carries somebody else's finalizer",
    )
    lab.eventually(
        lambda: _finalizers(db),
        want=[HOLD],
        tried=tried,
        command=db.kubectl("db"),
        expected=Text(f"只移除 {FINALIZER}，保留 {HOLD}", f"{FINALIZER} is taken away and {HOLD} stays"),
        hint=lambda seen: why(db, Text(f"现在的 finalizers 是 {seen}。", f"The finalizers are {seen}.")),
    )
    _no_record(db, tried)
    lab.quiet(
        0.2,
        tried=tried,
        expected=Text("移除 finalizer 后停止写入", "no more writes after that"),
        hint=lambda writes: Text(f"还在写：{writes[-1]}", f"It still writes: {writes[-1]}"),
    )
    begin = lab.audit.mark()  # before the changes: a wrong write may come at once
    lab.kube.delete(SERVICES, db.namespace, db.name)
    db.annotate(STATEFULSETS, "team.example.com/note", lab.name("poke"))
    pace.sleep(HELD_SECONDS)
    writes = lab.audit.writes(begin)
    if writes:
        lab.fail_writes(
            writes,
            tried=Text(
                "在它被挂住期间删除 Service、改动 StatefulSet",
                "while it was held, deleted its Service and changed its StatefulSet",
            ),
            expected=Text(
                "正在删除的 Database 不再被写，子对象和记录也不恢复",
                "nothing is written for a Database that is being deleted: no child, no record comes back",
            ),
            hint=Text(
                f"看到 {writes[0]}：有 deletionTimestamp、又没有你的 finalizer 时直接返回。",
                f"Saw {writes[0]}: with a deletionTimestamp and without your finalizer, return at once.",
            ),
        )
    lab.kube.patch(DATABASES, db.namespace, db.name, {"metadata": {"finalizers": None}})


def _goes_on(errors: float, since: float) -> bool:
    """Whether the counter rises once more with nothing left to do.

    Back-off at most doubles: who still retries a Database that has been gone since `since` does so again
    before as much time has passed once more.
    """
    until = 2 * time.monotonic() - since + 1.0
    while time.monotonic() < until:
        if (now := metric(ERRORS)) is not None and now > errors:
            return True
        time.sleep(0.1)
    return False


@graded("gone")
def gone(lab: OperatorLab) -> None:
    tried = Text(
        "一个 Database 删除并消失之后，观察错误计数",
        "watched the error counter after a Database was deleted and gone",
    )
    before, since = _after_cleanup[lab.seed]
    while time.monotonic() < since + GONE_SECONDS:  # the window that "does not rise" is about
        time.sleep(0.05)
    after = metric(ERRORS)
    if before is None or after is None:
        lab.fail(
            Text("127.0.0.1:8080/metrics 没有错误计数", "127.0.0.1:8080/metrics has no error counter"),
            tried=tried,
            expected=Text("能读到错误计数", "the error counter can be read"),
            hint=Text("检查 main.go 里的 Metrics.BindAddress。", "Look at Metrics.BindAddress in main.go."),
        )
    # a stale cache costs conflicts, on a busy machine some more, which the queue then forgets
    if after - before > 2 and _goes_on(after, since):
        told = last_error(lab)
        lab.fail(
            Text(
                f"错误计数从 {before:.0f} 升到 {after:.0f}",
                f"the error counter went from {before:.0f} to {after:.0f}",
            ),
            tried=tried,
            expected=Text("错误计数不增加", "the error counter does not rise"),
            hint=Text(
                f"用 client.IgnoreNotFound 处理 Get 的错误。日志里：{told}",
                f"Pass the error of Get through client.IgnoreNotFound. Your log says: {told}",
            ),
        )


@graded("cleanup-retry")
def cleanup_retry(lab: OperatorLab) -> None:
    db = make(lab, lab.namespace(), size=1)
    expect_children(db, Text(f"创建 {db}", f"created {db}"))
    since = lab.gate.seq()
    lab.gate.faults([Fault("delete", "configmaps", "500")], lab.seed)
    db.delete()
    tried = Text(
        "删除 Database，但让删除登记记录的请求失败",
        "deleted a Database, making the deletion of its record fail",
    )
    lab.eventually(
        lambda: len([r for r in lab.gate.requests(since) if r.fault]),
        want=lambda seen: seen >= 3,
        tried=tried,
        expected=Text("你的程序反复尝试删除记录", "your program tries to delete the record again and again"),
        hint=lambda seen: why(
            db,
            Text(
                f"只尝试了 {seen} 次，Database 的 finalizers：{_finalizers(db)}。",
                f"There were {seen} attempts; the Database's finalizers: {_finalizers(db)}.",
            ),
        ),
    )
    if db.read() is None:
        lab.gate.clear()
        _no_record(db, tried)
    since = lab.gate.seq()
    lab.gate.faults([Fault("write", "databases", "500", count=2)], lab.seed)
    again = Text(
        "让记录删除成功，但移除 finalizer 失败两次：清理要再做一遍，而记录已经不在",
        "let the record be deleted, but taking the finalizer away fail twice: the clean-up runs again, "
        "with no record left",
    )
    expect_gone(db, again)
    _no_record(db, again)


@graded("sigterm")
def sigterm(lab: OperatorLab) -> None:
    tried = Text("发送 SIGTERM", "sent SIGTERM")
    expected = Text("5 秒内以退出码 0 结束", "it ends within 5 seconds with exit code 0")
    hint = Text(
        "用 ctrl.SetupSignalHandler() 的 context 启动 manager。",
        "Start the manager with the context of ctrl.SetupSignalHandler().",
    )
    began = pace.now()
    try:
        ended = lab.operator.stop(timeout=8.0)
    except NotInTime:
        raise Failed(
            tried=tried,
            expected=expected,
            hint=hint,
            saw=Text("8 秒后仍在运行", "it still ran after 8 seconds"),
        ) from None
    took = pace.now() - began
    if ended.code != 0 or took > 6.0:
        raise Failed(
            tried=tried,
            expected=expected,
            hint=hint,
            saw=Text(
                f"{took:.1f} 秒后结束，退出码 {ended.code}",
                f"it ended after {took:.1f} s with exit code {ended.code}",
            ),
        )
