"""What a build gives, and in which words one that failed is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from labs.harness.diagnostics import Diagnostic
from labs.harness.events import Text
from labs.harness.manifest import Lab
from sandboxes.interface import Completed


@dataclass(frozen=True)
class Built:
    """`program` is None when it did not build; `reason` then says why in one sentence.

    `bpf` is the compiled eBPF object of a lab of kind bpf: the same bytes that the program embeds.
    """

    program: Path | None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    reason: Text | None = None
    output: str = ""
    seconds: float = 0.0
    bpf: Path | None = None


def reason(lab: Lab, done: Completed, found: list[Diagnostic]) -> Text:
    """Why no program came out."""
    if done.stopped_by == "cpu":
        limit = f"{lab.build.seconds:g}"
        return Text(
            f"编译用掉了 {limit} 秒 CPU 时间，已停止", f"the build used {limit} s of CPU time and was stopped"
        )
    if done.stopped_by:
        zh, en = {"memory": ("内存", "memory"), "output": ("输出", "output")}.get(
            done.stopped_by, ("资源", "resources")
        )
        return Text(f"编译用完了{zh}上限，已停止", f"the build used up its {en} and was stopped")
    count = sum(not diagnostic.advice for diagnostic in found)
    if not count:
        return Text(
            "没有编译出程序；需要 package main", "no program came out of the build: it needs a package main"
        )
    return Text(
        f"编译不通过：{count} 处错误", f"it does not compile: {count} error{'s' if count > 1 else ''}"
    )


def too_large(most: int) -> Text:
    """A program of more than `most` bytes came out."""
    return Text(
        f"编译出的程序超过 {most >> 20} MiB；最常见的原因是很大的、带初值的全局数组",
        f"the program is larger than {most >> 20} MiB; most often a large array with initial values is why",
    )
