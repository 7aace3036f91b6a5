"""The window: how many it takes, and that it slides."""

from __future__ import annotations

from collections import Counter

from labs.harness.events import Text
from labs.harness.mesh import MeshPlan, Server
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.ledger import ERRORS, Counts, dst
from labs.tracers.mesh_probe.grading.world import CURL, WINDOW, Accept, World, graded

LATE = 1.0  # by which an event may stay too long, or go too early
ANEW = Text(
    f"每 {WINDOW} 秒重新开始的窗口会把它们分开，不管从哪一刻开始：窗口必须滑动，长度等于 PROBE_WINDOW。",
    f"Windows that begin anew every {WINDOW} s part them, whenever they begin: it has to slide, and to be as long as "
    "PROBE_WINDOW.",
)


def _errors(world: World, *servers: Server) -> dict[str, int]:
    """5xx that are exported, by server."""
    page = world.page()
    return {dst(server.place): int(page.value(ERRORS, dst=dst(server.place))) for server in servers}


@graded("threshold")
def threshold(world: World) -> None:
    server = world.network.server("h2c")
    few = plans.answers(world, server, 503, 4)
    world.lab.step("四个 503", "four responses of 503", CURL)
    world.judge(
        world.run(few),
        tried=Text("四个 503", "four responses of 503"),
        expected=Text(
            f"响应计到了，{ERRORS} 里没有这个 dst",
            f"they are counted as responses, and {ERRORS} has no such dst",
        ),
    )
    one = plans.answers(world, server, 500, 1)
    world.lab.step("再来一个 500，窗口里就有五个", "one of 500 more makes five in the window", CURL)
    wanted: Counts = Counter({(ERRORS, dst(server.place), "503"): 4, (ERRORS, dst(server.place), "500"): 1})
    world.judge(
        world.run(one, more=wanted),
        tried=Text("四个 503 之后一个 500", "one of 500 after four of 503"),
        expected=Text("合起来五个：两个状态码都导出", "five together: both statuses are exported"),
    )


@graded("slides")
def slides(world: World) -> None:
    """Wherever windows that do not slide begin, `early` or `late` has its six in two of them.

    The last batch comes a whole window after the first one: windows of one clock part the six of `late` or, before
    that, those of `early`; windows that begin with a server's first event part the last six of `early`.
    """
    lab = world.lab
    gone, early, late = (world.network.server("h2c") for _ in range(3))
    lab.step(f"窗口 {WINDOW} 秒：先是 6 个和 3 个 503", f"a window of {WINDOW} s: first 6 and 3 of 503", CURL)
    begun = world.uptime()
    world.run(_both(world, (gone, 6), (early, 3)))
    first = world.ended
    lab.step(f"{WINDOW // 2} 秒后各 3 个", f"{WINDOW // 2} s later, 3 each")
    world.await_uptime(first + WINDOW / 2)
    second = world.uptime()
    world.run(_both(world, (early, 3), (late, 3)), more=_six(early))
    _expect(world, early, begun)
    world.await_uptime(first + WINDOW)
    lab.step(f"{WINDOW} 秒后再各 3 个", f"{WINDOW} s later, 3 each again")
    # the first batch is about to leave: what is exported of `early` is settled below
    world.run(_both(world, (early, 3), (late, 3)), more=_six(late), accept=_but_errors_of(early))
    _expect(world, late, second)
    lab.step("等第一批离开窗口", "wait for the first ones to leave the window", CURL)
    world.await_uptime(first + WINDOW + LATE)
    wanted = {dst(gone.place): 0, dst(early.place): 6}
    lab.eventually(
        lambda: _errors(world, gone, early),
        want=wanted,
        tried=Text(f"{WINDOW} 秒之后再看 {ERRORS}", f"looked at {ERRORS} after {WINDOW} s"),
        expected=Text(
            f"离开窗口的不再导出；{dst(early.place)} 后两批的 6 个还在",
            f"what has left the window is not exported any more; of {dst(early.place)} the last 6 are",
        ),
        hint=lambda seen: _left(seen, wanted),
        timeout=LATE + 1,
        command=CURL,
    )


def _but_errors_of(server: Server) -> Accept:
    return lambda series: series[:2] != (ERRORS, dst(server.place))


def _left(seen: dict[str, int], wanted: dict[str, int]) -> Text:
    """The hint when the first batch has left, or should have."""
    if all(seen[place] <= count for place, count in wanted.items()):
        return ANEW
    rows = ", ".join(f"{place} ({count})" for place, count in seen.items() if count > wanted[place])
    return Text(
        f"还在：{rows}。窗口的长度来自 PROBE_WINDOW（这里是 {WINDOW}），抓取时按现在的时间计算。",
        f"Still there: {rows}. The window's length is PROBE_WINDOW's, {WINDOW} here, and it is computed as of the "
        "scrape.",
    )


def _both(world: World, *of: tuple[Server, int]) -> MeshPlan:
    each = [plans.answers(world, server, 503, count) for server, count in of]
    return plans.plan([s for one in each for s in one.servers], [s for one in each for s in one.sessions])


def _six(server: Server) -> Counts:
    return Counter({(ERRORS, dst(server.place), "503"): 6})


def _expect(world: World, server: Server, since: float) -> None:
    place = dst(server.place)
    lasted = world.uptime() - since
    world.lab.eventually(
        lambda: _errors(world, server)[place],
        want=6,
        timeout=2.0,
        tried=Text(
            f"{place} 在 {lasted:.0f} 秒内两次给出三个 503",
            f"{place} answered 503 three times, and three times again within {lasted:.0f} s",
        ),
        expected=Text(f"窗口 {WINDOW} 秒里有 6 个", f"6 in the window of {WINDOW} s"),
        hint=ANEW,
        command=CURL,
    )
