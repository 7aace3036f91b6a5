"""Round trips: their P99, what is above three times that, and what is not."""

from __future__ import annotations

from dataclasses import replace

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.mesh import Exchange, MeshPlan
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.calls import await_call, no_call, so_far
from labs.tracers.mesh_probe.grading.ledger import ALARMS, P99, dst
from labs.tracers.mesh_probe.grading.world import CURL, World, graded

# the first sample has to stand out: of a jump, smoothing shows an eighth, and what follows is history to the next one
USUAL_MS, SLOWER_MS, SLOW_MS = 30, 75, 3500
THINK_MS = 800
SESSIONS, ROUNDS = 4, 16
# twice for a bucket's upper bound, and delayed acknowledgements (40 ms) of a slow machine
MOST_P99 = 2 * USUAL_MS / 1000 + 0.1


@graded("steady")
def steady(world: World) -> None:
    """Also the history of the check `rtt`."""
    lab, server = world.lab, world.network.server("echo", slow=True)
    place, before = dst(server.place), so_far(world)
    talks = [
        plans.session(world, "echo", server, Exchange("round", count=ROUNDS, body=20), keep=True)
        for _ in range(SESSIONS)
    ]
    thinker = world.network.server("h2c", slow=True)
    asks = plans.session(world, "h2", thinker, Exchange("status", 200, 56), concurrent=8, keep=True)
    usual = plans.plan((server, thinker), (*talks, asks), delay_ms=USUAL_MS, parallel=8)
    lab.step(
        f"{SESSIONS * ROUNDS} 次往返，每次 {USUAL_MS} 毫秒",
        f"{SESSIONS * ROUNDS} round trips of {USUAL_MS} ms",
        CURL,
    )
    world.mesh(usual)
    lab.eventually(
        lambda: world.page().value(P99, dst=place),
        want=lambda seconds: USUAL_MS / 1000 <= seconds <= MOST_P99,
        tried=Text(
            f"{SESSIONS * ROUNDS} 次 {USUAL_MS} 毫秒的往返之后",
            f"after {SESSIONS * ROUNDS} round trips of {USUAL_MS} ms",
        ),
        expected=Text(
            f"{P99} 在 {USUAL_MS / 1000:g} 和 {MOST_P99:g} 秒之间",
            f"{P99} is from {USUAL_MS / 1000:g} to {MOST_P99:g} s",
        ),
        hint=_p99_hint,
        command=CURL,
    )
    lab.step(
        f"每次 {SLOWER_MS} 毫秒；另一个服务器的处理函数想 {THINK_MS} 毫秒才应答",
        f"now of {SLOWER_MS} ms; and the handler of another server thinks for {THINK_MS} ms before it answers",
    )
    again = _again(usual, ROUNDS // 2, delay_ms=SLOWER_MS)
    think = replace(
        asks,
        resumed=True,
        keep=False,
        concurrent=4,
        exchanges=(Exchange("status", 200, 4, think_ms=THINK_MS),),
    )
    world.mesh(replace(again, sessions=(*again.sessions, think)))
    _quiet(world, before, place, dst(thinker.place))
    world.history = replace(_again(usual, 2, delay_ms=SLOW_MS), servers=(server,))


def _p99_hint(seconds: float) -> Text:
    if seconds > MOST_P99:
        return Text(
            f"看到 {seconds:g} 秒。srtt_us 是平滑值的八倍：右移 3 位才是微秒，再除以一百万才是秒。",
            f"Seen: {seconds:g} s. srtt_us is eight times the smoothed value: shift by 3 for microseconds, and divide "
            "by a million for seconds.",
        )
    if not seconds:
        return Text(
            "还没有这个序列：到这个 dst 的每个 TCP 连接都要取样，不论它说什么协议，客户端或服务器的 socket 都可以。",
            "There is no such series yet: sample every TCP connection to that dst, whatever it speaks, at the "
            "client's or the server's socket.",
        )
    return Text(
        f"看到 {seconds:g} 秒：比真实的往返还短。单位是秒，取的是第 99 百分位吗？",
        f"Seen: {seconds:g} s, less than a round trip takes. Is it in seconds, and the 99th percentile?",
    )


def _again(plan: MeshPlan, rounds: int, *, delay_ms: int) -> MeshPlan:
    """The connections to the echo go on."""
    exchange = Exchange("round", count=rounds, body=20)
    talks = tuple(replace(s, resumed=True, exchanges=(exchange,)) for s in plan.sessions if s.kind == "echo")
    return replace(plan, sessions=talks, delay_ms=delay_ms)


def _quiet(world: World, before: int, *places: str) -> None:
    tried = Text(
        f"往返从 {USUAL_MS} 变成 {SLOWER_MS} 毫秒", f"round trips of {SLOWER_MS} ms after {USUAL_MS} ms"
    )
    expected = Text("不是三倍：不告警", "that is not three times as long: no alarm")
    page = world.page()
    alarms = sum(page.value(ALARMS, dst=place) for place in places)
    hint = Text(
        "与到那时为止全部样本的 P99 的三倍比较，而不是与平均值或最小值；并且要超过 50 毫秒。"
        "应用思考的时间不是往返时间。",
        "Compare with three times the P99 of all samples so far, not with a mean or a minimum; and it has to be above "
        "50 ms. The time that an application thinks is no round trip.",
    )
    if alarms:
        text = f"{ALARMS} {alarms:g}"
        raise Failed(tried=tried, saw=Text(text, text), expected=expected, hint=hint, command=CURL)
    no_call(world, before, tried=tried, expected=expected, hint=hint)


@graded("rtt")
def rtt(world: World) -> None:
    lab, plan = world.lab, world.history
    assert plan is not None
    fresh = world.network.server("echo", slow=True)
    few = plans.session(world, "echo", fresh, Exchange("round", body=20))
    place, before = dst(plan.servers[0].place), so_far(world)
    lab.step(
        f"同样的连接，每次 {SLOW_MS} 毫秒；另一个服务器从一开始就这么慢，没有历史",
        f"the same connections, of {SLOW_MS} ms; another server was as slow from the start and has no history",
    )
    slow = replace(plan, servers=(*plan.servers, fresh), sessions=(*plan.sessions, few), parallel=8)
    tried = Text(
        f"往返从 {SLOWER_MS} 变成 {SLOW_MS} 毫秒", f"round trips of {SLOW_MS} ms after {SLOWER_MS} ms"
    )
    world.mesh(slow)
    # the first sample of each connection is the one that stands out
    since = max(world.done_at(talk, 0) for talk in plan.sessions)
    call = await_call(world, before, "rtt", place, tried=tried, since=since)
    if not 0.05 < call.value <= SLOW_MS / 1000 + 0.3:
        raise Failed(
            tried=tried,
            saw=Text(str(call), str(call)),
            expected=Text("value 是那个样本，单位秒", "value is the sample, in seconds"),
            hint=Text("srtt_us 右移 3 位是微秒。", "srtt_us shifted by 3 is microseconds."),
        )
    lab.eventually(
        lambda: world.page().value(ALARMS, dst=place),
        want=1,
        tried=tried,
        expected=Text(f"{ALARMS} 是 1", f"{ALARMS} is 1"),
        hint=lambda seen: Text(
            f"看到 {seen:g}：条件开始成立时加一，成立期间不再加。",
            f"Seen: {seen:g}. Add one when the condition begins to hold, and none while it does.",
        ),
        command=CURL,
    )
    no_call(
        world,
        before,
        allowed=1,
        tried=tried,
        expected=Text(
            "只有一次调用；没有历史的服务器不告警", "one call; and none for a server without a history"
        ),
        hint=Text(
            "至少有 50 个样本之后才判断；条件成立期间不再调用。",
            "Judge only when there are 50 samples; and do not call again while the condition holds.",
        ),
    )
