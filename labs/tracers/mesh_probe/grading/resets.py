"""RST_STREAM: counted, by stream within the window, and by rate; and the webhook that is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.exposition import Exposition
from labs.harness.mesh import Exchange, Server, Session
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.calls import AT_ONCE, NC, await_call, new, no_call, so_far
from labs.tracers.mesh_probe.grading.ledger import RESPONSES, RESULTS, WEBHOOKS, dst
from labs.tracers.mesh_probe.grading.world import COUNTED_WITHIN, CURL, WINDOW, World, graded

HANGING = 17  # one that is under way, and a queue of 16
RATE = 24  # wherever a second of the clock ends, more than ten of them are within one
CANCEL = 8


@graded("resets")
def resets(world: World) -> None:
    both, cancelled = world.network.server("h2c"), world.network.server("h2c")
    plan = plans.plan(
        (both, cancelled),
        (
            plans.session(
                world,
                "h2",
                both,
                Exchange("abort", 200, 2),
                Exchange("cancel", 200, plans.some(world, 2, 5), body=40_000),
            ),
            plans.session(
                world, "h2", cancelled, Exchange("cancel", 200, plans.some(world, 4, 7), body=40_000)
            ),
        ),
    )
    before = so_far(world)
    world.lab.step(
        "服务器放弃两条流，客户端取消另外一些",
        "the server gives up two streams, the client cancels some others",
        CURL,
    )
    world.judge(
        world.run(plan),
        tried=Text(
            "一些流由服务器重置，一些由客户端取消", "streams reset by the server, and cancelled by the client"
        ),
        expected=Text(
            "每个 RST_STREAM 按发送方和错误码计一次", "each RST_STREAM counted once, by sender and code"
        ),
    )
    no_call(
        world,
        before,
        tried=Text(
            "每个 dst 至多两条流以错误码重置，其余是 CANCEL",
            "at most two streams of a dst reset with an error, the others by CANCEL",
        ),
        expected=Text("不调用 webhook", "no call of the webhook"),
        hint=Text(
            "客户端取消（CANCEL）是日常，不算失败的流；失败的流要有 3 条，并且属于同一个 dst。",
            "A client's CANCEL is everyday life and makes no failed stream; it takes 3 streams that failed, of one "
            "dst.",
        ),
    )


@graded("webhook")
def webhook(world: World) -> None:
    lab, server = world.lab, world.network.server("h2c")
    place, before = dst(server.place), so_far(world)
    lab.step("服务器重置两条流", "the server resets two streams")
    world.run(plans.aborts(world, (server, 2)))
    no_call(
        world,
        before,
        tried=Text("两条流被重置", "two streams were reset"),
        expected=Text("不调用 webhook", "no call of the webhook"),
        hint=Text("到第三条流才调用。", "It takes a third stream."),
    )
    lab.step("另一个连接上重置第三条流", "a third stream is reset, on another connection")
    plan = plans.aborts(world, (server, 1))
    tried = Text("同一个 dst 的第三条流被重置", "a third stream of the same dst was reset")
    world.mesh(plan)
    call = await_call(world, before, "reset_streams", place, tried=tried, since=world.ended)
    if call.value != 3:
        raise Failed(
            tried=tried,
            saw=Text(str(call), str(call)),
            expected=Text("value 是 3", "a value of 3"),
            hint=Text(
                "value 是窗口内被重置的不同的流的数目；流的编号只在一个连接之内唯一。",
                "value is the number of different streams reset within the window; a stream's number is unique within "
                "its connection only.",
            ),
        )
    lab.step("再重置三条：原因还是同一个", "three more are reset: the cause is still the same")
    world.run(plans.aborts(world, (server, 3)))
    world.reset_at = world.ended
    no_call(
        world,
        before,
        allowed=1,
        tried=Text("条件成立期间又重置了三条流", "three more were reset while the condition held"),
        expected=Text("一个原因只调用一次", "one call for one cause"),
        hint=Text(
            "记住哪些（kind、dst）已经成立：开始成立时调用一次，不再成立之后才可以再调用。",
            "Remember which (kind, dst) hold: call when one begins to, and again only after it has ceased.",
        ),
    )
    world.again = server


@graded("anew")
def anew(world: World) -> None:
    server = world.again
    assert server is not None
    world.lab.step(
        f"等到窗口里没有重置，再重置三条（{WINDOW} 秒的窗口）",
        f"wait until no reset is in the window of {WINDOW} s, then three more",
    )
    world.await_uptime(world.reset_at + WINDOW + 3)
    before = so_far(world)
    world.mesh(plans.aborts(world, (server, 3)))
    await_call(
        world,
        before,
        "reset_streams",
        dst(server.place),
        tried=Text(
            "条件不再成立之后，又有三条流被重置", "three streams were reset after the condition had ceased"
        ),
        since=world.ended,
    )


@graded("rate")
def rate(world: World) -> None:
    fast, slow, many = (world.network.server("h2c") for _ in range(3))
    world.lab.step(
        f"一条流上瞬间 {RATE} 个 RST_STREAM；另一条上 14 个，每秒 4 个；另有三条流各 8 个",
        f"{RATE} RST_STREAM at once on one stream; 14 on another, 4 a second; and 8 on each of three others",
    )
    before = so_far(world)

    def flood(server: Server, count: int, pause_ms: int = 0) -> Session:
        return plans.session(world, "framer", server, Exchange("reset", CANCEL, count, pause_ms=pause_ms))

    plan = plans.plan(
        (fast, slow, many),
        (flood(slow, 14, 250), *(flood(many, 8) for _ in range(3)), flood(fast, RATE)),
    )
    seen = world.run(plan)
    tried = Text(f"一条流上 {RATE} 个 RST_STREAM", f"{RATE} RST_STREAM on one stream")
    world.judge(
        seen,
        tried=tried,
        expected=Text("每一帧都计数", "each frame is counted"),
    )
    flooded = world.done_at(plan.sessions[-1])
    call = await_call(world, before, "reset_rate", dst(fast.place), tried=tried, since=flooded)
    if not 11 <= call.value <= RATE:
        raise Failed(
            tried=tried,
            saw=Text(str(call), str(call)),
            expected=Text(f"value 在 11 和 {RATE} 之间", f"a value from 11 to {RATE}"),
            hint=Text("value 是一秒之内的帧数。", "value is the number of frames within a second."),
        )
    no_call(
        world,
        before,
        allowed=1,
        tried=Text("慢的流，和几条流合起来的重置", "a slow stream, and several streams together"),
        expected=Text("只有快的那一条，并且只有一次", "the fast one alone, and once"),
        hint=Text(
            "按流计数，不是按连接或按 dst；只数一秒之内的；一个原因一次。",
            "Count by stream, not by connection or dst; only what lies within one second; and once per cause.",
        ),
    )


@graded("hangs")
def hangs(world: World) -> None:
    lab = world.lab
    refused, fine, *hanging = (world.network.server("h2c") for _ in range(2 + HANGING))
    _await_told(world)
    before, page = so_far(world), world.page()
    lab.step(
        "webhook 以 500 应答；一个 dst 有三条流被重置",
        "the webhook answers 500; three streams of a dst are reset",
    )
    _with_webhook(world, "fail", lambda: _await_failed(world, refused, page))
    lab.step(
        f"webhook 不再应答；{HANGING} 个 dst 各有三条流被重置，然后是 503",
        f"the webhook does not answer any more; three streams of {HANGING} dst are reset, then 503",
    )
    _with_webhook(world, "hang", lambda: _count_meanwhile(world, hanging, fine, page))
    lab.step("webhook 恢复应答", "the webhook answers again", CURL)
    _await_results(
        world,
        page,
        _hung(),
        want=lambda n: n["failed"] >= 2 and n["sent"] + n["failed"] == HANGING + 1 and not n["dropped"],
    )
    _each_once(world, before, [refused, *hanging])


def _hung() -> Text:
    return Text(
        f"webhook 挂起，{HANGING} 个 dst 各有三条流被重置",
        f"three streams of {HANGING} dst were reset while the webhook hangs",
    )


def _with_webhook(world: World, how: Literal["fail", "hang"], do: Callable[[], None]) -> None:
    world.lab.guest.webhook(how)
    try:
        do()
    finally:
        world.lab.guest.webhook("ok")


def _await_told(world: World) -> None:
    """Until the page has every call that came so far: what is counted later would be taken for one of the next."""
    came = so_far(world) - world.calls_at_start
    world.lab.eventually(
        lambda: sum(int(world.page().value(WEBHOOKS, result=result)) for result in RESULTS),
        want=came,
        tried=Text("读取到此为止的调用", "read the calls so far"),
        expected=Text(
            f"{WEBHOOKS} 合起来 {came}，webhook 收到的就是这么多", f"{came} in {WEBHOOKS}, as many as came"
        ),
        hint=lambda n: Text(
            f"看到 {n}。每次调用有了结果就计一次：2xx 是 sent，其余是 failed。",
            f"Seen: {n}. Count each call once, when it has its result: 2xx is sent, all else failed.",
        ),
        timeout=COUNTED_WITHIN,
        command=CURL,
    )


def _await_failed(world: World, server: Server, page: Exposition) -> None:
    world.mesh(plans.aborts(world, (server, 3)))
    tried = Text("webhook 以 500 应答", "the webhook answered 500")
    _await_results(world, page, tried, want=lambda n: n == {"sent": 0, "failed": 1, "dropped": 0})


def _count_meanwhile(world: World, hanging: Sequence[Server], fine: Server, page: Exposition) -> None:
    world.mesh(plans.aborts(world, *((server, 3) for server in hanging)))
    world.judge(
        world.run(plans.answers(world, fine, 503, plans.some(world, 5, 8))),
        tried=Text("webhook 挂起时的 503", "responses of 503 while the webhook hangs"),
        expected=Text("照常计数", "they are counted as ever"),
        accept=lambda series: series[0] == RESPONSES,
    )
    _await_results(world, page, _hung(), want=lambda n: n["failed"] >= 2)


def _await_results(
    world: World, page: Exposition, tried: Text, *, want: Callable[[dict[str, int]], bool]
) -> None:
    """Until the calls since `page` ended as `want` says."""

    def look() -> dict[str, int]:
        rows = world.page().since(page)
        return {result: int(rows.value(WEBHOOKS, result=result)) for result in RESULTS}

    world.lab.eventually(
        look,
        want=want,
        tried=tried,
        expected=Text(
            f"没有 2xx 应答的计为 failed，其余 sent；{HANGING + 1} 个原因，没有 dropped",
            f"what got no answer of 2xx is failed, all else sent; {HANGING + 1} causes, and none is dropped",
        ),
        hint=lambda n: Text(
            f"看到 {_results(n)}。每次调用 2 秒超时，失败不重试，队列至少 16 个，在自己的 goroutine 里发送。",
            f"Seen: {_results(n)}. A time-out of 2 s for each call and no second try, a queue of 16 at least, and a "
            "goroutine of its own that sends.",
        ),
        timeout=20.0,
        command=CURL,
    )


def _results(counts: dict[str, int]) -> str:
    return ", ".join(f"{result}={count}" for result, count in counts.items())


def _each_once(world: World, before: int, servers: list[Server]) -> None:
    world.lab.eventually(
        lambda: sorted(call.dst for call in new(world, before)),
        want=sorted(dst(server.place) for server in servers),
        timeout=AT_ONCE,
        tried=Text("读取 webhook 收到的请求", "read what came at the webhook"),
        expected=Text("每个原因恰好一次", "each cause exactly once"),
        hint=Text("失败的调用不重复。", "A call that failed is not repeated."),
        command=NC,
    )
