"""A sandbox that fell or gave in while a learner's program ran in it: whose fault it is, and in which words.

Nothing that a check read in such a sandbox is believed. A limit that was reached is the program's doing: the
grader's own load is the same in every run and stays far below. Everything else is ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from labs.harness.events import Text

Ailments = Mapping[str, str]

_PARTS = {
    "etcd": ("etcd ", "etcd"),
    "kube-apiserver": ("API server ", "the API server"),
    "kube-controller-manager": (
        "控制器（kube-controller-manager）",
        "the controllers (kube-controller-manager)",
    ),
    "apigate": ("你的程序与 API server 之间的代理", "the proxy between your program and the API server"),
    "grader": ("读取集群对象的评测器", "the grader that reads the cluster's objects"),
}
_FULL = {
    "store": ("etcd 已写满，不再接受写入", "etcd is full and takes no more writes"),
    "audit": ("API server 的审计日志已写满", "the API server's audit log is full"),
}
_BY_LOAD = frozenset({"memory", "full", "too many"})


def overload(ailments: Ailments) -> Text | None:
    """What the learner is told when the program's load brought the sandbox down; None when it is our fault."""
    if not ailments or not set(ailments.values()) <= _BY_LOAD:
        return None
    part, word = next(iter(ailments.items()))
    zh, en = _cause(part, word)
    return Text(
        f"你的程序压垮了实验集群：{zh}。这次运行到此为止，之前的检查结果不作数。"
        "在真实集群里，这样的 Operator 会拖垮所有人共用的控制面：少写，写小，读取走 informer 缓存。",
        f"Your program brought the lab's cluster down: {en}. The run ends here, and no check before that counts. "
        "In a real cluster such an operator takes the control plane from everybody: write less, write small, "
        "and read from the informer's cache.",
    )


def _cause(part: str, word: str) -> tuple[str, str]:
    zh, en = _PARTS.get(part, (part, part))
    if word == "full":
        return _FULL[part]
    if word == "too many":
        return "打开的 TCP 连接太多，别人连不上 API server", (
            "it holds so many TCP connections that nobody else reaches the API server"
        )
    return f"{zh}用完了内存", f"{en} ran out of memory"
