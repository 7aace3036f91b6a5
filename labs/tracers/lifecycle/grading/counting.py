"""Who is counted, and how exactly."""

from __future__ import annotations

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.tracers.lifecycle.grading.counts import expect_shown
from labs.tracers.lifecycle.grading.world import CAPACITY, MAX_PID, NO_ROOM, World, graded

# Sorted as text these come before any three-digit PID, and the second before the first.
_SMALL, _LARGE = range(5_000, 10_000), range(1_000_000, 1_400_000)


@graded("counts")
def counts(world: World) -> None:
    lab = world.lab
    first, second = lab.guest.worker(), lab.guest.worker()
    world.watch(first, lab.random.choice(_LARGE), second, lab.random.choice(_SMALL))
    lab.guest.statistics(True)
    before = world.objects().run_count
    made = world.some(), world.some()
    world.work(first, made[0], others=2)
    world.work(second, made[1], others=1)
    world.work(first, world.some(20, 60))
    runs = world.objects().run_count - before
    lab.guest.statistics(False)
    tried = Text(
        f"监视两个进程和两个不存在的 PID；{first} 调用 getppid {world.counts[first]} 次，"
        f"{second} 调用 {world.counts[second]} 次，其间还调用了 getpid",
        f"watched two processes and two PIDs that nobody has; {first} called getppid {world.counts[first]} times, "
        f"{second} {world.counts[second]} times, with calls of getpid in between",
    )
    expect_shown(world, tried)
    _ran(sum(world.counts.values()), runs, tried)


def _ran(calls: int, runs: int, tried: Text) -> None:
    """A right answer comes out of a program that ran: the kernel's own statistics say so."""
    if runs < calls:
        raise Failed(
            tried=tried,
            saw=Text(
                f"数字是对的，但内核的统计说，你的 eBPF 程序在这期间只运行了 {runs} 次",
                f"the numbers are right, yet the kernel's statistics say that your eBPF programs ran {runs} times "
                "meanwhile",
            ),
            expected=Text(f"至少运行 {calls} 次", f"at least {calls} runs"),
            hint=Text(
                "计数要由挂在 getppid 上的 eBPF 程序来做。",
                "It is the eBPF program, attached to getppid, that has to count.",
            ),
            command="bpftool prog",
        )


@graded("only-watched")
def only_watched(world: World) -> None:
    lab = world.lab
    late, never = lab.guest.worker(), lab.guest.worker()
    world.work(late, world.some())
    world.work(never, world.some())
    world.watch(late)
    expect_shown(
        world,
        Text(
            f"{late} 和 {never} 各调用了几百次 getppid，然后才监视 {late}",
            f"{late} and {never} called getppid some hundred times, and only then {late} was watched",
        ),
        Text(
            f"监视之前的调用不算：{late} 应从 0 开始，{never} 不应出现。程序先看进程是否被监视，再加一。",
            f"Calls before watch do not count: {late} begins with 0, and {never} is not there. Let the program look "
            "whether the process is watched before it adds.",
        ),
    )
    world.work(late, world.some(), child=world.some())
    world.work(never, world.some())
    expect_shown(
        world,
        Text(
            f"{late} 和它的子进程、以及没有被监视的 {never} 都调用了 getppid",
            f"{late}, a child of its, and {never}, which is not watched, called getppid",
        ),
    )


@graded("threads")
def threads(world: World) -> None:
    lab = world.lab
    pid = lab.guest.worker()
    world.watch(pid)
    for _ in range(2):
        world.work(pid, *(world.some(100, 500) for _ in range(lab.random.randint(3, 6))))
    expect_shown(
        world,
        Text(
            f"{pid} 的主线程和监视之后才创建的几个线程同时调用 getppid",
            f"the first thread of {pid} and some that were made after watch called getppid at the same time",
        ),
        Text(
            "bpf_get_current_pid_tgid() 的高 32 位是进程（TGID，用户态的 PID），低 32 位是线程。"
            "只有主线程的两个数相同。",
            "The upper 32 bits of bpf_get_current_pid_tgid() are the process (TGID, which user space calls PID), the "
            "lower ones the thread. Only in the first thread are they the same.",
        ),
    )


@graded("unwatch")
def unwatch(world: World) -> None:
    lab = world.lab
    left, kept = lab.guest.worker(), lab.guest.worker()
    world.watch(left, kept)
    for pid in (left, kept):
        world.work(pid, world.some())
    world.unwatch(left)
    tried = Text(
        f"监视 {left} 和 {kept}，各调用几百次，然后 unwatch {left}",
        f"watched {left} and {kept}, some hundred calls each, then unwatch {left}",
    )
    expect_shown(world, tried)
    for pid in (left, kept):
        world.work(pid, world.some())
    expect_shown(
        world,
        Text(f"{tried.zh}，再各调用几百次", f"{tried.en}, and some hundred calls more each"),
        Text(
            f"unwatch 之后 {left} 的计数停在 {world.counts[left]}，{kept} 的继续增加。"
            "“正在监视”和“计数”是两件事，可以放在两个 map 里。",
            f"After unwatch the count of {left} stays at {world.counts[left]}, that of {kept} goes on. Being watched "
            "and having a count are two things; two maps can hold them.",
        ),
    )
    stranger = world.nobody(1)[0]
    world.unwatch(stranger)
    expect_shown(
        world,
        Text(f"unwatch 从未监视过的 {stranger}", f"unwatch {stranger}, which was never watched"),
        Text("它不应留下痕迹。", "It should leave no trace."),
    )


@graded("again")
def again(world: World) -> None:
    pid = world.lab.guest.worker()
    world.watch(pid)
    world.work(pid, world.some())
    world.watch(pid)
    expect_shown(
        world,
        Text(
            f"{pid} 正被监视且已有计数，再次 watch",
            f"watched {pid} once more, while it was watched and had a count",
        ),
        Text(
            f"{pid} 的计数应仍是 {world.counts[pid]}：只在没有条目时才写入 0（ebpf.UpdateNoExist）。",
            f"The count of {pid} should still be {world.counts[pid]}: write 0 only where there is no entry "
            "(ebpf.UpdateNoExist).",
        ),
    )
    world.unwatch(pid)
    world.work(pid, world.some())
    world.watch(pid)
    world.work(pid, world.some())
    expect_shown(
        world,
        Text(
            f"unwatch {pid}，调用几百次，再次 watch，又调用几百次",
            f"unwatch {pid}, some hundred calls, watch once more, some hundred calls",
        ),
        Text(
            "再次监视时从原来的计数继续，期间的调用不算。",
            "Watched again it goes on from its old count; the calls in between are not in it.",
        ),
    )


@graded("ended")
def ended(world: World) -> None:
    pid = world.lab.guest.worker()
    world.watch(pid)
    world.work(pid, world.some())
    world.end_worker(pid)
    world.lab.step(f"进程 {pid} 结束", f"process {pid} ends")
    expect_shown(
        world,
        Text(f"监视 {pid}，它调用 getppid，然后结束", f"watched {pid}, which called getppid and then ended"),
        Text(
            f"进程结束后，{pid} 的计数仍应是 {world.counts[pid]}：show 打印的是 map，不是 /proc。",
            f"The count of {pid} should still be {world.counts[pid]} when the process has ended: show prints the map, "
            "not /proc.",
        ),
    )


@graded("full")
def full(world: World) -> None:
    pid = world.lab.guest.worker()
    # the smallest and the largest that make sense are among them
    world.watch(1, MAX_PID, *world.nobody(CAPACITY - len(world.counts) - 3))
    tried = Text(f"已记住 {CAPACITY - 1} 个 PID", f"{CAPACITY - 1} PIDs were remembered")
    expect_shown(world, tried)
    _refused(
        world, [pid, *world.nobody(1)], Text(f"{tried.zh}，再监视两个", f"{tried.en}, and two more watched")
    )
    known = world.lab.random.choice(sorted(world.counts))
    world.watch(pid, known, pid)
    world.work(pid, world.some())
    tried = Text(
        f"已记住 {CAPACITY} 个 PID（最后一个写了两次，也只占一个位置）",
        f"{CAPACITY} PIDs were remembered (the last given twice, which needs one place)",
    )
    expect_shown(world, tried)
    world.unwatch(known)
    _refused(
        world,
        world.nobody(1),
        Text(
            f"{tried.zh}，unwatch 其中一个，再监视一个新的",
            f"{tried.en}; unwatch one of them, then watched a new one",
        ),
    )
    world.watch(known)
    expect_shown(
        world, Text("满了之后，再次监视记住的 PID", "with all places taken, watched a remembered PID again")
    )


def _refused(world: World, pids: list[int], tried: Text) -> None:
    """`watch` exits with 4, and nothing of it stays."""
    world.expect(4, "watch", *pids, hint=NO_ROOM)
    for pid in pids:
        if pid < 1_000_000:
            world.work(pid, world.some())
    expect_shown(world, Text(f"{tried.zh}（应被拒绝）", f"{tried.en} (to be refused)"), NO_ROOM)


@graded("usage")
def usage(world: World) -> None:
    good, bad = world.nobody(2)
    for args in (
        (),
        ("frobnicate",),
        ("watch",),
        ("watch", good, "0"),
        ("watch", f"{bad}x"),
        ("unwatch", "-3"),
        ("watch", 4_194_305),
        ("show", good),
        ("start", "now"),
        ("run",),
    ):
        shown = " ".join(["lifecycle", *map(str, args)])
        world.expect(
            2,
            *args,
            hint=Text(
                f"“{shown}”无法理解：先检查全部参数，再做任何事。",
                f"{shown!r} makes no sense: look at all arguments before doing anything.",
            ),
        )
    expect_shown(
        world,
        Text("用无法理解的参数调用了十次", "called it ten times with arguments that make no sense"),
        Text(
            f"参数里有一个无法理解，整条命令就作废：{good} 不应被记住。",
            f"One argument that makes no sense spoils all of them: {good} should not be remembered.",
        ),
    )
