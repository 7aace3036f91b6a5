"""What `show` and `run` print, held against the truth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import zip_longest

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.sanitize import clean
from labs.tracers.lifecycle.grading.world import SHOW_FAILED, World, both

_LINE = re.compile(r"([1-9][0-9]{0,6}) (0|[1-9][0-9]{0,18})")


def parse(text: str) -> list[tuple[int, int]] | None:
    """The lines PID COUNT in the order in which they were printed; None when any line is something else."""
    rows = []
    for line in text.removesuffix("\n").split("\n") if text else []:
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        rows.append((int(match[1]), int(match[2])))
    return rows


def expect_shown(world: World, tried: Text, hint: Text | None = None) -> None:
    """`lifecycle show` prints the truth. `hint` is for wrong counts, where the check knows more."""
    after = Text(f"{tried.zh}，然后 lifecycle show", f"{tried.en}; then lifecycle show")
    ended = world.must(world.run("show"), 0, "show", hint=hint or SHOW_FAILED, tried=after)
    compare(world, ended.text, world.counts, tried, hint, command="lifecycle show")


def compare(
    world: World,
    text: str,
    truth: Mapping[int, int],
    tried: Text,
    hint: Text | None = None,
    *,
    command: str,
) -> None:
    """Raises Failed unless `text` is `truth`, line by line. `hint` is for wrong counts, where the check knows more."""
    rows = parse(text)
    want = sorted(truth.items())
    if rows == want:
        return
    told_hint = _shape_hint(text) if rows is None else _order_hint(rows, want) or hint or why(rows, truth)
    raise Failed(
        tried=tried,
        saw=Text(
            _side_by_side(text, want, ("打印了", "应为")), _side_by_side(text, want, ("printed", "truth"))
        ),
        expected=Text("每个数都与真实的调用次数相同", "each number is the number of calls that were made"),
        hint=told_hint,
        command=command,
    )


def why(rows: list[tuple[int, int]], truth: Mapping[int, int]) -> Text:
    """The likeliest reason for wrong lines, from how they are wrong."""
    seen = dict(rows)
    if extra := sorted(set(seen) - set(truth)):
        return Text(
            f"没有监视过 {both(extra)}，却打印了它。",
            f"{both(extra)} was never watched, yet it is printed.",
        )
    if missing := sorted(set(truth) - set(seen)):
        return Text(
            f"监视过 {both(missing)}，却没有打印。没有调用过的也要打印，计数为 0；结束了的、不再监视的也一样。",
            f"{both(missing)} was watched, yet is not printed. One that made no call is printed with 0; so is "
            "one that has ended, or is not watched any more.",
        )
    wrong = [pid for pid in sorted(truth) if seen[pid] != truth[pid]]
    if not wrong:
        return Text("有的 PID 打印了不止一次。", "Some PIDs are printed more than once.")
    pid = wrong[0]
    got, wanted = seen[pid], truth[pid]
    if got == 0:
        return Text(
            f"{pid} 调用了 {wanted} 次，计数却是 0：程序挂上了吗？键的类型和字节数与 Go 一侧写入的相同吗？",
            f"{pid} made {wanted} calls, and its count is 0: is the program attached? Does its key have the same type "
            "and size as the one that Go writes?",
        )
    if got > wanted:
        return Text(
            f"{pid} 多了 {got - wanted} 次：还有什么也会加一？别的系统调用、别的进程、或者同一次调用计了两次。",
            f"{pid} has {got - wanted} too many: what else adds to it? Other system calls, other processes, or one "
            "call that counts twice.",
        )
    return Text(
        f"{pid} 少了 {wanted - got} 次：在哪一刻丢掉的？",
        f"{pid} has {wanted - got} too few: at which moment did they get lost?",
    )


def _shape_hint(text: str) -> Text:
    line = next(line for line in text.removesuffix("\n").split("\n") if not _LINE.fullmatch(line))
    return Text(
        f"这一行不是“PID 空格 计数”：{clean(line)[:120]!r}。标准错误也算在内，日志不要打印在这里。",
        f"This line is not PID, space, count: {clean(line)[:120]!r}. Standard error counts as well, so print no "
        "log here.",
    )


def _order_hint(rows: list[tuple[int, int]], want: list[tuple[int, int]]) -> Text | None:
    if sorted(rows) != want:
        return None
    return Text(
        "每一行都对，只是顺序不对：按数值排序，而不是按文本，也不是按 map 的遍历顺序。",
        "Each line is right, their order is not: sort by number, not as text, and not as the map gives them.",
    )


def _side_by_side(text: str, want: list[tuple[int, int]], heads: tuple[str, str]) -> str:
    """Both in two columns, at most twelve rows around the first difference."""
    rows = _pairs(text, want)
    first = next((n for n, (left, right) in enumerate(rows) if left != right), 0)
    shown = rows[max(0, first - 4) :][:12]
    width = max(24, *(len(left) for left, _ in shown))
    lines = [f"{heads[0]:<{width}} | {heads[1]}"]
    lines += [f"{left:<{width}} {' ' if left == right else '≠'} {right}" for left, right in shown]
    return "\n".join(lines)


def _pairs(text: str, want: list[tuple[int, int]]) -> list[tuple[str, str]]:
    """What was printed and what should have been: a row for each PID, or line by line where that makes no sense."""
    seen = parse(text)
    if seen is not None and seen == sorted(dict(seen).items()):
        left, right = dict(seen), dict(want)
        return [
            (f"{pid} {left[pid]}" if pid in left else "", f"{pid} {right[pid]}" if pid in right else "")
            for pid in sorted(left | right)
        ]
    printed = [clean(line)[:40] for line in text.removesuffix("\n").split("\n")]
    return list(zip_longest(printed, (f"{pid} {count}" for pid, count in want), fillvalue=""))
