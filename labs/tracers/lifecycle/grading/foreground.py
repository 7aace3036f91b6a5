"""`run`: the same without pins, and without a trace when it ends."""

from __future__ import annotations

import time
from collections.abc import Mapping

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.guest import Objects
from labs.harness.process import Line
from labs.harness.sanitize import clean
from labs.tracers.lifecycle.grading.counts import compare, expect_shown, parse
from labs.tracers.lifecycle.grading.world import CAPACITY, START_SECONDS, World, both, graded

_END_SECONDS = 15.0


class Foreground:
    """A `run` that is ready. `counts` is what it must print in the end."""

    def __init__(self, world: World, *pids: int) -> None:
        self._world, self._operator = world, world.lab.operator
        self.shown = " ".join(["lifecycle run", *map(str, pids)])
        self.counts = dict.fromkeys(pids, 0)
        self._before = len(self._operator.lines)
        world.lab.step(f"启动 {self.shown}", f"start {self.shown}", self.shown)
        self._operator.launch(args=["run", *map(str, pids)])
        self._await_ready()

    @property
    def lines(self) -> list[Line]:
        """What it has printed so far."""
        return self._operator.lines[self._before :]

    def work(self, pid: int, *threads: int) -> None:
        self._world.work(pid, *threads)
        if pid in self.counts:
            self.counts[pid] += sum(threads)

    def end(self, tried: Text) -> None:
        """SIGTERM: it must print the truth and exit with 0."""
        self._world.lab.step("发送 SIGTERM", "send SIGTERM", f"kill -TERM $(pidof {self.shown.split()[0]})")
        ended = self._operator.stop(_END_SECONDS)
        if ended.code != 0:
            zh, en = ended.describe()
            raise Failed(
                tried=tried,
                saw=Text(f"收到 SIGTERM 后：{zh}", f"after SIGTERM: {en}"),
                expected=Text("打印计数，以 0 退出", "it prints the counts and exits with 0"),
                hint=Text(
                    "用 signal.Notify 或 signal.NotifyContext 接住 SIGTERM；"
                    "不接住，默认动作就是直接结束进程。",
                    "Catch SIGTERM with signal.Notify or signal.NotifyContext; the default is that the "
                    "process simply ends.",
                ),
                command=self.shown,
            )
        printed = "\n".join(line.text for line in self.lines[1:])
        compare(self._world, printed, self.counts, tried, _missed(printed, self.counts), command=self.shown)

    def kill(self) -> None:
        self._world.lab.step("发送 SIGKILL", "send SIGKILL")
        self._operator.kill()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.lines and self._operator.running and time.monotonic() < deadline:
            time.sleep(0.05)
        if self.lines and self.lines[0].text == "ready":
            return
        printed = " ⏎ ".join(clean(line.text) for line in self.lines[-6:])
        state = Text("仍在运行", "it is still running")
        if not self._operator.running:
            zh, en = self._operator.wait_exit(1.0).describe()
            state = Text(f"已结束（{zh}）", f"it has ended ({en})")
        self._operator.kill()
        raise Failed(
            tried=Text(f"启动 {self.shown}", f"started {self.shown}"),
            saw=Text(
                f"打印了 {printed[:400]!r}，{state.zh}", f"it printed {printed[:400]!r}, and {state.en}"
            ),
            expected=Text("第一行是 ready，然后继续运行", "its first line is ready, and it goes on running"),
            hint=Text(
                "挂上并写好 map 之后，打印一行 ready，不要带别的内容。",
                "When it is attached and the maps are filled, print the one word ready on a line of its own.",
            ),
            command=self.shown,
        )


def _missed(printed: str, truth: Mapping[int, int]) -> Text | None:
    """What to say where calls are missing."""
    rows = dict(parse(printed) or [])
    if set(rows) != set(truth) or all(rows[pid] >= count for pid, count in truth.items()):
        return None
    return Text(
        "从打印 ready 起，一次调用也不能漏：先挂上、写好 map，再打印 ready。",
        "From ready on no call may be missed: attach and fill the maps first, and print ready after that.",
    )


@graded("run", started=False)
def run(world: World) -> None:
    guest = world.lab.guest
    first, second, other = (guest.worker() for _ in range(3))
    world.work(first, world.some())
    running = Foreground(world, second, first, *world.nobody(1))
    running.work(first, world.some())
    tried = Text(
        f"{running.shown}，出现 ready 后调用 getppid，然后 SIGTERM",
        f"{running.shown}, calls of getppid from ready on, then SIGTERM",
    )
    _no_pins(world, tried)
    running.work(second, world.some())
    running.work(other, world.some())
    running.end(tried)
    world.gone(tried, _left)
    world.expect(
        4,
        "run",
        *world.nobody(CAPACITY + 1),
        timeout=START_SECONDS,
        hint=Text(
            f"{CAPACITY + 1} 个 PID 放不下：以 4 退出，不打印 ready。",
            f"There is no room for {CAPACITY + 1} PIDs: exit with 4, and do not print ready.",
        ),
    )


def _no_pins(world: World, tried: Text) -> None:
    if pins := world.objects().pins:
        raise Failed(
            tried=tried,
            saw=Text(f"运行期间 pin 了：{both(pins)}", f"while it ran there were pins: {both(pins)}"),
            expected=Text("run 不 pin 任何东西", "run pins nothing"),
            hint=Text(
                "pin 会留在被 SIGKILL 的进程之后。run 只需要打开的描述符，内核会替你关闭。",
                "A pin outlives a process that SIGKILL ends. run needs open descriptors only, and the kernel closes "
                "those for you.",
            ),
            command="find /sys/fs/bpf",
        )


def _left(left: Objects) -> Text:
    if left.pins:
        return Text(f"run 留下了 pin：{both(left.pins)}。", f"run left pins: {both(left.pins)}.")
    return Text(
        "还有进程拿着描述符：run 不应留下别的进程。",
        "Some process still holds descriptors: run must not leave other processes behind.",
    )


@graded("run-killed", started=False)
def run_killed(world: World) -> None:
    pid = world.lab.guest.worker()
    running = Foreground(world, pid)
    running.work(pid, world.some())
    running.kill()
    world.gone(Text(f"{running.shown}，然后 SIGKILL", f"{running.shown}, then SIGKILL"), _left)


@graded("side-by-side")
def side_by_side(world: World) -> None:
    pid = world.lab.guest.worker()
    world.watch(pid)
    world.work(pid, world.some())
    started = world.objects()
    running = Foreground(world, pid)
    running.work(pid, world.some())
    tried = Text(
        f"start 之后监视 {pid}，同时 {running.shown}",
        f"watched {pid} after start, with {running.shown} beside it",
    )
    expect_shown(world, tried)
    running.end(tried)
    after = Text(f"{tried.zh}，然后结束 run", f"{tried.en}, then ended run")
    world.gone(after, _left, but=started)
    world.work(pid, world.some())
    expect_shown(
        world,
        after,
        Text(
            "run 结束之后，start 留下的还要继续统计。",
            "When run has ended, what start left behind has to go on counting.",
        ),
    )
