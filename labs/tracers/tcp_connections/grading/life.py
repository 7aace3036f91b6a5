"""How it ends, what stays, how it begins again, and what it costs."""

from __future__ import annotations

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.tracers.tcp_connections.grading import plans
from labs.tracers.tcp_connections.grading.ledger import (
    FIRST_EPHEMERAL,
    counts_of,
    expected,
    lost_of,
    name,
    of_scrapes,
)
from labs.tracers.tcp_connections.grading.ring import SMALL_RING
from labs.tracers.tcp_connections.grading.world import METRICS, World, graded

STOP_WITHIN = 5.0
MOST_TIMES = 3.0
MEASURED, WARMING = 300, 100


_IN_BPF = Text(
    "多出来的主要在 BPF 里：热路径上做了太多。尽早返回；不要 bpf_printk，不要遍历 map。",
    "The surplus is in BPF for the most part: the hot path does too much. Return early; no bpf_printk, no walk over a "
    "map.",
)
_IN_GO = Text(
    "多出来的主要在 Go 里：找找每个事件都做一次的事，比如一行日志、一次格式化、一次轮询、整页重新生成。",
    "The surplus is in Go for the most part: look for what is done for each event, such as a line of log, a Sprintf, a "
    "poll, or the whole page rendered anew.",
)


@graded("exits")
def exits(world: World) -> None:
    lab = world.lab
    lab.step("发送 SIGTERM", "send SIGTERM", "kill -TERM PID; echo $?")
    ended = lab.operator.stop(STOP_WITHIN)
    if ended.code != 0:
        zh, en = ended.describe()
        raise Failed(
            tried=Text("发送 SIGTERM", "sent SIGTERM"),
            saw=Text(zh, en),
            expected=Text("退出码 0", "exit code 0"),
            hint=Text(
                "没有处理 SIGTERM 的 Go 程序以信号结束（143），main 里的 log.Fatal 以 1 结束。"
                "用 signal.NotifyContext，再正常返回。",
                "A Go program that does not handle SIGTERM ends by the signal (143), log.Fatal ends with 1. Use "
                "signal.NotifyContext and return.",
            ),
            command="kill -TERM PID; echo $?",
        )
    lab.nothing_left()


@graded("fresh", running=False)
def fresh(world: World) -> None:
    lab = world.lab
    lab.step(
        f"再次启动，RING_BYTES={SMALL_RING}",
        f"start it again, with RING_BYTES={SMALL_RING}",
        f"curl {METRICS}",
    )
    world.start({"RING_BYTES": str(SMALL_RING)})
    page = world.page()
    old = {series: count for series, count in counts_of(page).items() if not _of_the_start(series)}
    if old or lost_of(page):
        rows = "\n".join(f"{name(series)} {count}" for series, count in sorted(old.items())[:6])
        rows = rows or f"tcp_tracer_lost_total {lost_of(page)}"
        raise Failed(
            tried=Text("结束之后再次启动", "started it again after its end"),
            saw=Text(f"一开始就有：\n{rows}", f"there from the start:\n{rows}"),
            expected=Text("从零开始计数", "it counts from zero"),
            hint=Text(
                "上一次的计数从哪里来的？pin 住的 map，或者写下的文件。",
                "Where do the counts of the last run come from? A map that was pinned, or a file.",
            ),
            command=f"curl {METRICS}",
        )


def _of_the_start(series: tuple[str, str, str]) -> bool:
    """Counts that waiting for /metrics made: attempts while nothing listened yet, and the first scrapes.

    Whoever labels these wrongly, by a client's own port, say, was told so by an earlier check.
    """
    port = series[2].rsplit(":", 1)[-1]
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else FIRST_EPHEMERAL
    return of_scrapes(series) or number >= FIRST_EPHEMERAL


@graded("killed", running=False)
def killed(world: World) -> None:
    lab = world.lab
    lab.step("发送 SIGKILL", "send SIGKILL", "kill -KILL PID; bpftool prog; ls /sys/fs/bpf")
    lab.operator.kill()
    lab.nothing_left()


@graded("cost", running=False)
def cost(world: World) -> None:
    lab = world.lab
    if lab.operator.running:
        lab.operator.kill()
    lab.step(
        "启动课程自带的追踪器，用同样的流量测量它的开销",
        "start the course's own tracer and measure what it costs with such traffic",
    )
    yours = world.cost
    world.start(reference=True)
    # as the learner's was by then: the first connections of a process cost more
    world.run(plans.burst(world.draft(), WARMING), lambda truth: expected(truth.connections))
    world.measured(plans.burst(world.draft(), MEASURED))
    lab.operator.stop(STOP_WITHIN)
    own = world.cost
    assert yours is not None
    assert own is not None
    lab.show_cost(yours, own, MOST_TIMES)
    ratio = yours.microseconds / own.microseconds  # nothing at all would be our fault, and is told as such
    figures = f"{yours.microseconds:.0f} µs / {own.microseconds:.0f} µs = {ratio:.2f}"
    parts = "BPF {bpf:.0f} µs, Go {user:.0f} µs".format(**yours.json())
    lab.step(
        f"每条连接的 CPU 时间，你的与参考的：{figures}",
        f"CPU per connection, yours and the reference's: {figures}",
    )
    if ratio > MOST_TIMES:
        raise Failed(
            tried=Text(
                "在同一台机器上测量每条连接的 CPU 时间",
                "measured the CPU time of a connection in the same machine",
            ),
            saw=Text(
                f"你的 / 参考的：{figures}（{parts}）",
                f"yours / the reference's: {figures} ({parts})",
            ),
            expected=Text(f"至多 {MOST_TIMES:g} 倍", f"{MOST_TIMES:g} times at most"),
            hint=_IN_BPF if yours.bpf - own.bpf > yours.user - own.user else _IN_GO,
            command="sysctl kernel.bpf_stats_enabled=1; bpftool prog",
        )
