"""What the checks share: one kernel with what the learner's commands left in it, and the truth of every count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps

from labs.harness.channel import GuestLost
from labs.harness.checks import CheckFunction, Failed, NotInTime
from labs.harness.events import Text
from labs.harness.guest import Ended, Guest, GuestRefused, Objects
from labs.harness.sanitize import clean
from labs.harness.tracer_lab import TracerLab

CHECKS: dict[str, CheckFunction] = {}
FOLDER = "lifecycle"
LINK = f"{FOLDER}/link"
CAPACITY = 64
MAX_PID = 4_194_304
# larger than any PID that a young machine gives out, and below MAX_PID
NOBODY = range(3_000_000, MAX_PID)

# The brief promises 60, 30 and 5 seconds. A machine that shares its processor with others gets more.
START_SECONDS = 120.0
COMMAND_SECONDS = 60.0
GONE_SECONDS = 15.0


@dataclass
class World:
    """One kernel. `counts` is what `show` must print: the PIDs remembered since start, each with its calls."""

    lab: TracerLab
    before: Objects
    on: bool = False
    broken: bool = False
    counts: dict[int, int] = field(default_factory=dict)
    watched: set[int] = field(default_factory=set)

    def run(self, *args: object, timeout: float = COMMAND_SECONDS) -> Ended:
        """Call the learner's command, told as a step. Raises Failed when it does not end."""
        words = [str(arg) for arg in args]
        shown = " ".join(["lifecycle", *(words if len(words) < 9 else [*words[:8], "…"])])
        self.lab.step(f"运行 {shown}", f"run {shown}", shown)
        ended = self.lab.guest.command(*words, timeout=timeout)
        printed = "\n".join(clean(line)[:200] for line in ended.text.splitlines()[:12])
        if printed:
            self.lab.step(f"打印了：\n{printed}", f"it printed:\n{printed}")
        if ended.code is None:
            raise Failed(
                tried=told(shown),
                saw=Text(f"没有自行结束：{_why(ended)[0]}", f"it did not end by itself: {_why(ended)[1]}"),
                expected=Text("做完就结束", "it does its work and ends"),
                hint=Text(
                    f"它最后的输出：{last_words(ended)}。除 run 之外，没有命令需要等待什么。",
                    f"Its last words: {last_words(ended)}. Apart from run, no command has anything to wait for.",
                ),
                command=shown,
            )
        return ended

    def expect(self, code: int, *args: object, hint: Text, timeout: float = COMMAND_SECONDS) -> Ended:
        """run(), and it must exit with `code`; one that fails must say why."""
        return self.must(self.run(*args, timeout=timeout), code, *args, hint=hint)

    def must(self, ended: Ended, code: int, *args: object, hint: Text, tried: Text | None = None) -> Ended:
        """Raises Failed unless the command that was run with `args` exited with `code`; one that fails must say why."""
        shown = " ".join(["lifecycle", *map(str, args)])[:120]
        if ended.code != code:
            raise Failed(
                tried=tried or told(shown),
                saw=Text(
                    f"退出码 {ended.code}，输出：{last_words(ended)}",
                    f"exit code {ended.code}, output: {last_words(ended)}",
                ),
                expected=Text(f"退出码 {code}", f"exit code {code}"),
                hint=hint,
                command=f"{shown}; echo $?",
            )
        if code and not ended.text.strip():
            raise Failed(
                tried=told(shown),
                saw=Text(f"退出码 {code}，什么都没打印", f"exit code {code}, and nothing printed"),
                expected=Text("失败的命令至少打印一行原因", "a command that fails prints at least one line"),
                hint=Text(
                    "退出码给脚本看，这一行给人看：打印到标准错误。",
                    "The code is for scripts, the line is for people: print it to standard error.",
                ),
                command=shown,
            )
        return ended

    def watch(self, *pids: int) -> None:
        self.expect(0, "watch", *pids, hint=WATCH_FAILED)
        for pid in pids:
            self.counts.setdefault(pid, 0)
            self.watched.add(pid)

    def unwatch(self, *pids: int) -> None:
        self.expect(0, "unwatch", *pids, hint=WATCH_FAILED)
        self.watched.difference_update(pids)

    def work(self, pid: int, *threads: int, others: int = 0, child: int = 0) -> None:
        """Have the worker call getppid as often as each thread should; keeps the truth."""
        self._with_worker(pid, lambda guest: guest.work(pid, threads, others=others, child=child))
        if pid in self.watched:
            self.counts[pid] += sum(threads)

    def end_worker(self, pid: int) -> None:
        self._with_worker(pid, lambda guest: guest.end_worker(pid))

    def _with_worker(self, pid: int, do: Callable[[Guest], None]) -> None:
        """The learner's program is root in there: a worker that is gone did not go by itself."""
        try:
            do(self.lab.guest)
        except GuestRefused as refused:
            raise Failed(
                tried=Text(f"让进程 {pid} 调用 getppid", f"had process {pid} call getppid"),
                saw=Text(f"它已经不在，或不再响应：{refused}", f"it is gone, or does not answer: {refused}"),
                expected=Text("被统计的进程不受影响", "the processes that are counted are left alone"),
                hint=Text(
                    "跟踪程序不应该结束或停住别的进程。", "A tracer must not end or stop other processes."
                ),
            ) from None

    def nobody(self, count: int) -> list[int]:
        """PIDs that no process has and no check used before."""
        found: list[int] = []
        while len(found) < count:
            pid = self.lab.random.choice(NOBODY)
            if pid not in self.counts and pid not in found:
                found.append(pid)
        return found

    def some(self, least: int = 200, most: int = 900) -> int:
        """A number of calls, drawn from the seed."""
        return self.lab.random.randint(least, most)

    def objects(self) -> Objects:
        """What is in the kernel and was not there before the learner's first command."""
        return self.lab.guest.objects().since(self.before)

    def gone(self, tried: Text, hint: Callable[[Objects], Text], *, but: Objects | None = None) -> None:
        """Nothing of the learner's is in the kernel any more, save what was in `but`, within the time that the brief
        gives.
        """
        base = but or NOTHING
        self.lab.eventually(
            lambda: str(self.objects().since(base)).splitlines(),
            want=[],
            timeout=GONE_SECONDS,
            tried=tried,
            expected=Text("没有剩下程序、map、link 和 pin", "no program, map, link or pin is left"),
            hint=lambda _seen: hint(self.objects().since(base)),
            command="bpftool prog; bpftool map; bpftool link; find /sys/fs/bpf",
        )

    def start(self) -> None:
        """A complete start, from nothing."""
        self.expect(0, "start", hint=START_FAILED, timeout=START_SECONDS)
        self.on, self.counts, self.watched = True, {}, set()

    def stop(self) -> None:
        self.expect(0, "stop", hint=STOP_FAILED)
        self.on, self.counts, self.watched = False, {}, set()
        self.gone(told("lifecycle stop"), still_there)

    def clear(self) -> None:
        """Away with everything, also where the learner's own stop would not do it. Says nothing."""
        self.lab.operator.kill()
        self.lab.guest.run("rm", "-rf", f"/sys/fs/bpf/{FOLDER}")
        for pin in self.objects().pins:
            self.lab.guest.run("rm", "-f", f"/sys/fs/bpf/{pin}")
        self.on, self.broken, self.counts, self.watched = False, False, {}, set()
        deadline = time.monotonic() + GONE_SECONDS
        while self.objects() and time.monotonic() < deadline:
            time.sleep(0.1)


NOTHING = Objects((), (), (), ())
# by kernel: a grader's process judges one run
_worlds: dict[str, World] = {}


def graded(id_: str, *, started: bool | None = True) -> Callable[[Callable[[World], None]], CheckFunction]:
    """A check that finds the command `started` (None: as it is), whatever the checks before left behind."""

    def remember(function: Callable[[World], None]) -> CheckFunction:
        @wraps(function)
        def run(lab: TracerLab) -> None:
            world = _world(lab)
            try:
                _bring(world, started)
                function(world)
            except GuestLost:
                raise
            except (Failed, NotInTime):
                world.broken = True
                raise

        CHECKS[id_] = run
        return run

    return remember


def _world(lab: TracerLab) -> World:
    world = _worlds.get(lab.kernel)
    if world is None or world.lab is not lab:
        world = _worlds[lab.kernel] = World(lab, lab.guest.objects())
    return world


def _bring(world: World, started: bool | None) -> None:
    if world.broken:
        world.clear()
    if started and not world.on:
        world.start()
    elif started is False and world.on:
        world.stop()


def told(command: str) -> Text:
    return Text(f"运行 {command}", f"ran {command}")


def last_words(ended: Ended) -> str:
    """The end of what it printed, short enough for a sentence."""
    return repr(clean(ended.text.strip().replace("\n", " ⏎ "))[-300:])


def _why(ended: Ended) -> tuple[str, str]:
    if ended.stopped_by == "memory":
        return "内存用尽", "it used up its memory"
    if ended.stopped_by == "output":
        return "输出超过上限", "it printed more than it may"
    if not ended.in_time:
        return "时间到了仍在运行", "it was still running when its time was over"
    return f"被信号 {ended.signal} 终止", f"signal {ended.signal} ended it"


def still_there(left: Objects) -> Text:
    """Why something is left, by what it is."""
    if left.pins:
        names = ", ".join(left.pins)
        return Text(
            f"还 pin 着：{names}。一个 pin 就是一个引用，每一个都要移除。",
            f"Still pinned: {names}. A pin is a reference; each of them has to go.",
        )
    if left.links:
        return Text(
            "link 还在，却没有 pin：有进程还拿着它的描述符。",
            "A link is left without a pin: some process still holds its descriptor.",
        )
    return Text(
        "程序或 map 还在，却没有 pin 和 link：有进程还拿着描述符。",
        "A program or map is left without pin and link: some process still holds a descriptor.",
    )


def both(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


WATCH_FAILED = Text(
    "start 之后，watch 和 unwatch 从 pin 打开 map（ebpf.LoadPinnedMap）并修改它；重复执行不是错误。",
    "After start, watch and unwatch open the map by its pin (ebpf.LoadPinnedMap) and change it; doing so twice is no "
    "error.",
)
START_FAILED = Text(
    "看它最后的输出。此时没有任何东西 pin 着，start 应当成功。",
    "See its last words. Nothing was pinned at this moment, so start should have succeeded.",
)
STOP_FAILED = Text(
    "stop 移除 pin；已经没有的，就是已经做完的。",
    "stop removes pins; what is gone already is done already.",
)
NO_ROOM = Text(
    f"watch 先数一数：已记住的加上新的（重复的只算一个）超过 {CAPACITY} 就以 4 退出，一个也不写入。"
    "unwatch 不腾出位置。",
    f"Let watch count first: when the remembered PIDs and the new ones, each once, are more than {CAPACITY}, it exits "
    "with 4 and writes none. unwatch frees no place.",
)
SHOW_FAILED = Text("start 之后，show 应当成功。", "After start, show should succeed.")
