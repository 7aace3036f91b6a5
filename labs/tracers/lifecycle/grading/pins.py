"""What stays in the kernel when a command has ended, and what goes."""

from __future__ import annotations

from labs.harness import verifier
from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.guest import Objects
from labs.tracers.lifecycle.grading.counts import expect_shown
from labs.tracers.lifecycle.grading.world import (
    FOLDER,
    LINK,
    START_FAILED,
    START_SECONDS,
    STOP_FAILED,
    World,
    both,
    graded,
    last_words,
    still_there,
    told,
)

_BPFFS = "/sys/fs/bpf"
_START = told("lifecycle start")


@graded("accepted", started=None)
def accepted(world: World) -> None:
    ended = world.run("start", timeout=START_SECONDS)
    if ended.code == 0:
        world.on = True
        return
    refusal = world.lab.explain(ended.text)
    if refusal is not None:
        raise Failed(
            tried=_START,
            saw=verifier.describe(refusal),
            expected=Text("校验器接受程序，退出码 0", "the verifier accepts the program, exit code 0"),
            hint=refusal.why,
            command="lifecycle start",
        )
    raise Failed(
        tried=_START,
        saw=Text(
            f"退出码 {ended.code}，输出：{last_words(ended)}",
            f"exit code {ended.code}, output: {last_words(ended)}",
        ),
        expected=Text("加载、挂上、pin，退出码 0", "it loads, attaches and pins, exit code 0"),
        hint=Text(
            "这不是校验器的拒绝。如果只在一个内核上失败，就看你用的挂载方式这个内核有没有。",
            "This is no refusal of the verifier. If it fails on one kernel only, see whether that kernel has your "
            "way of attaching.",
        ),
        command="lifecycle start; echo $?",
    )


@graded("pinned")
def pinned(world: World) -> None:
    seen = world.objects()
    reason = _not_pinned(seen)
    if reason is not None:
        raise Failed(
            tried=Text(
                "start 结束之后，列出内核里的 eBPF 对象",
                "listed the kernel's BPF objects after start had ended",
            ),
            saw=_listed(seen),
            expected=Text(
                f"一个程序、它的 link，pin 都在 {_BPFFS}/{FOLDER} 之下，link 在 {_BPFFS}/{LINK}",
                f"a program, its link, all pins below {_BPFFS}/{FOLDER}, the link at {_BPFFS}/{LINK}",
            ),
            hint=reason,
            command=f"bpftool prog; bpftool link; find {_BPFFS}",
        )


def _listed(seen: Objects) -> Text:
    rows = str(seen)
    return Text(rows or "什么都没有", rows or "nothing at all")


def _not_pinned(seen: Objects) -> Text | None:
    elsewhere = [pin for pin in seen.pins if not pin.startswith(f"{FOLDER}/")]
    if elsewhere:
        return Text(f"pin 到了别处：{both(elsewhere)}。", f"Pinned elsewhere: {both(elsewhere)}.")
    if not seen.programs:
        return Text(
            "进程结束时，内核关闭它的描述符；没有别的引用，程序就卸载了。要让它留下，pin 住 link（link.Pin）。",
            "When a process ends the kernel closes its descriptors, and what nothing else refers to is unloaded. To "
            "have it stay, pin the link (link.Pin).",
        )
    if not seen.links:
        return Text(
            "程序还加载着，但没有挂在任何地方：pin 住程序只让它留在内存里，挂载由 link 维持。",
            "The program is still loaded, but attached nowhere: pinning a program keeps it in memory, what keeps it "
            "attached is the link.",
        )
    if LINK not in seen.pins:
        return Text(
            f"pin 住了 {both(seen.pins) or '别的'}，没有 {LINK}。",
            f"Pinned are {both(seen.pins) or 'other things'}, but not {LINK}.",
        )
    return None


@graded("second-start")
def second_start(world: World) -> None:
    pid = world.lab.guest.worker()
    world.watch(pid)
    world.work(pid, world.some())
    before = world.objects()
    tried = Text("在已启动时再次 start", "started once more what was started already")
    world.expect(
        3,
        "start",
        timeout=START_SECONDS,
        hint=Text(
            f"start 先看 {_BPFFS}/{LINK} 是否存在，再做别的。",
            f"Let start look for {_BPFFS}/{LINK} before anything else.",
        ),
    )
    world.gone(
        tried,
        lambda new: Text(
            "第二次 start 留下了新的对象：在加载之前就应返回。",
            "The second start left new objects: it should return before it loads.",
        ),
        but=before,
    )
    lost = before.since(world.objects())
    if lost:
        raise Failed(
            tried=tried,
            saw=Text(f"这些不见了：\n{lost}", f"these are gone:\n{lost}"),
            expected=Text("第二次 start 不改变任何东西", "a second start changes nothing"),
            hint=Text(
                "它替换了第一次 start 的对象，计数也随之丢失。",
                "It replaced what the first start had made, and the counts went with it.",
            ),
        )
    world.work(pid, world.some())
    expect_shown(world, Text(f"{tried.zh}，{pid} 继续调用", f"{tried.en}, and {pid} went on calling"))


@graded("stop")
def stop(world: World) -> None:
    world.stop()
    world.expect(
        0,
        "stop",
        hint=Text(
            "第二次 stop 没有事可做：目录或 pin 已经不在，不是错误。",
            "The second stop has nothing to do: a folder or pin that is gone already is no error.",
        ),
    )


@graded("not-started", started=False)
def not_started(world: World) -> None:
    pid = world.nobody(1)[0]
    for args in (("show",), ("watch", pid), ("unwatch", pid)):
        world.expect(
            5,
            *args,
            hint=Text(
                f"没有 {_BPFFS}/{LINK} 就是没有启动：以 5 退出并说明。",
                f"Without {_BPFFS}/{LINK} it is not started: exit with 5 and say so.",
            ),
        )
    world.gone(
        Text("没有 start 就运行 show、watch、unwatch", "ran show, watch and unwatch without start"),
        still_there,
    )


@graded("afresh", started=False)
def afresh(world: World) -> None:
    world.start()
    tried = Text("stop 之后再次 start", "started again after stop")
    expect_shown(
        world, tried, Text("重新 start 之后，不记得任何 PID。", "After a new start no PID is remembered.")
    )
    _counts_again(world, tried)


def _counts_again(world: World, tried: Text) -> None:
    pid = world.lab.guest.worker()
    world.watch(pid)
    world.work(pid, world.some())
    expect_shown(world, Text(f"{tried.zh}，监视 {pid}", f"{tried.en}, then watched {pid}"))


@graded("leftovers")
def leftovers(world: World) -> None:
    _half_started(world)
    tried = Text(
        f"移走 {LINK} 这个 pin：就像 start 在 pin link 之前被杀死",
        f"took the pin {LINK} away, as if start had been killed before",
    )
    world.expect(
        5,
        "show",
        hint=Text(
            f"没有 {LINK}，就没有启动成功，别的 pin 还在也一样。",
            f"Without {LINK} it is not started, whatever other pins there are.",
        ),
    )
    world.expect(
        0,
        "start",
        timeout=START_SECONDS,
        hint=Text(
            "start 发现没有 link 却有别的 pin：先移除它们，再从头开始。",
            "When start finds pins but no link, it removes them and begins anew.",
        ),
    )
    world.on, world.counts, world.watched = True, {}, set()
    expect_shown(
        world,
        Text(f"{tried.zh}，再 start", f"{tried.en}, then start"),
        Text(
            "旧的 map 被接着用了：LIBBPF_PIN_BY_NAME 会打开已有的 pin。先移除残留，从零开始。",
            "The old map is used on: LIBBPF_PIN_BY_NAME opens a pin that exists. Remove what is left and begin with "
            "nothing.",
        ),
    )
    _counts_again(world, Text(f"{tried.zh}，再 start", f"{tried.en}, then start"))
    _half_started(world)
    world.expect(0, "stop", hint=Text("stop 也收拾残留。", "stop clears up what a killed start left, too."))
    world.on = False
    world.gone(Text(f"{tried.zh}，再 stop", f"{tried.en}, then stop"), still_there)


def _half_started(world: World) -> None:
    """What a start leaves that is killed before it pins the link."""
    if not world.counts:
        world.watch(world.nobody(1)[0])
    world.lab.step(f"rm {_BPFFS}/{LINK}", f"rm {_BPFFS}/{LINK}", f"rm {_BPFFS}/{LINK}")
    world.lab.guest.run("rm", f"{_BPFFS}/{LINK}")


@graded("in-the-way", started=False)
def in_the_way(world: World) -> None:
    foreign = f"{_BPFFS}/{LINK}"
    world.lab.step(f"mkdir -p {foreign}", f"mkdir -p {foreign}", f"mkdir -p {foreign}")
    world.lab.guest.run("mkdir", "-p", foreign)
    world.broken = True  # until the folder is gone
    tried = Text(f"别人建了目录 {foreign}，然后 start", f"somebody had made a folder {foreign}, then start")
    ended = world.run("start", timeout=START_SECONDS)
    _still_a_folder(world, foreign, tried)
    world.must(
        ended,
        1,
        "start",
        hint=Text(
            f"{foreign} 是目录，不是 pin：link 无法 pin 在那里，start 失败，以 1 退出。",
            f"{foreign} is a folder and no pin: the link cannot be pinned there, start fails and exits with 1.",
        ),
    )
    world.gone(
        tried,
        lambda left: Text(
            f"失败之前已经做了的，要撤销：{both(left.pins) or '仍有对象'}。",
            f"What was done before it failed has to be undone: {both(left.pins) or 'objects are left'}.",
        ),
    )
    world.expect(0, "stop", hint=STOP_FAILED)
    _still_a_folder(world, foreign, Text(f"{tried.zh}，再 stop", f"{tried.en}, then stop"))
    world.lab.guest.run("rm", "-r", foreign)
    world.broken = False
    world.expect(0, "start", hint=START_FAILED, timeout=START_SECONDS)
    world.on = True


def _still_a_folder(world: World, foreign: str, tried: Text) -> None:
    code, _ = world.lab.guest.run("test", "-d", foreign)
    if code == 0:
        return
    raise Failed(
        tried=tried,
        saw=Text(f"目录 {foreign} 不见了", f"the folder {foreign} is gone"),
        expected=Text("别人的目录原样保留", "others' folders stay where they are"),
        hint=Text(
            "不要用 os.RemoveAll 清理：只移除自己的 pin，也就是目录里的文件。",
            "Do not clear up with os.RemoveAll: remove your own pins only, the files in the folder.",
        ),
        command=f"ls -l {_BPFFS}/{FOLDER}",
    )
