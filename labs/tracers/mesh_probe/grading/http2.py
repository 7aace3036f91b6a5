"""Responses of HTTP/2 on connections that the probe saw begin."""

from __future__ import annotations

from labs.harness.events import Text
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.ledger import ERRORS, RESPONSES, UNDECODABLE, Series
from labs.tracers.mesh_probe.grading.world import Accept, Seen, World, graded


def first(world: World) -> Seen:
    """The traffic that four checks look at, each at its part."""
    if world.first is None:
        plan = plans.first(world)
        count = len(plan.truth().replies)
        world.lab.step(
            f"Go、nginx 和 gRPC 的服务器给出 {count} 个响应",
            f"servers of Go, nginx and gRPC give {count} responses",
        )
        world.first = world.run(plan)
    return world.first


def _of(seen: Seen, *kinds: str, metrics: tuple[str, ...]) -> Accept:
    places = {f"{s.address}:{s.port}" for s in seen.plan.servers if s.kind in kinds}
    others = {f"{s.address}:{s.port}" for s in seen.plan.servers} - places

    def accept(series: Series) -> bool:
        return series[0] in metrics and series[1] not in others

    return accept


@graded("responses")
def responses(world: World) -> None:
    seen = first(world)
    world.judge(
        seen,
        tried=Text("几个连接上交错的流", "streams interleaved on several connections"),
        expected=Text(
            f"{RESPONSES} 按 dst 等于响应数", f"{RESPONSES} of each dst is the number of its responses"
        ),
        accept=_of(seen, "h2c", metrics=(RESPONSES, UNDECODABLE)),
    )


@graded("errors")
def errors(world: World) -> None:
    seen = first(world)
    world.lab.step("按状态码比较 5xx", "compare the 5xx by status")
    world.judge(
        seen,
        tried=Text("同一个状态码重复出现的响应", "responses whose status comes again and again"),
        expected=Text(
            f"{ERRORS} 有窗口内每个状态码的个数", f"{ERRORS} has the number of each status in the window"
        ),
        accept=_of(seen, "h2c", metrics=(ERRORS,)),
    )


@graded("frames")
def frames(world: World) -> None:
    plan = plans.frames(world)
    world.lab.step(
        "超过 16 KiB 的头部、跨很多包的正文、几个字节的段、先来的 103、客户端允许的 64 KiB 动态表、填充和优先级",
        "headers of more than 16 KiB, bodies of many packets, segments of a few bytes, 103 first, a dynamic table of "
        "64 KiB as the client allows, padding and priorities",
    )
    world.judge(
        world.run(plan),
        tried=Text(
            "头部分成 HEADERS 和 CONTINUATION，帧跨过包的边界",
            "header blocks in HEADERS and CONTINUATION, frames across packets",
        ),
        expected=Text("每个响应都解码，没有连接被放弃", "each response is decoded, no connection given up"),
    )


@graded("gap")
def gap(world: World) -> None:
    world.lab.step(
        "一个头部块引用了表里没有的条目；服务器之后照常应答",
        "a header block refers to an entry that no table has; the server then goes on as before",
    )
    world.judge(
        world.run(plans.nonsense(world)),
        tried=Text("一个无法解码的头部块", "a header block that cannot be decoded"),
        expected=Text(
            '此前的响应照计；连接以 reason="gap" 放弃一次，此后什么都不计',
            'the responses before it count; the connection is given up once, by reason="gap", and nothing after it is '
            "counted",
        ),
    )


@graded("disorder")
def disorder(world: World) -> None:
    world.lab.step(
        "一部分段在路上丢失，一部分被后来的超过", "some segments are lost on their way, some are overtaken"
    )
    world.judge(
        world.run(plans.disorder(world)),
        tried=Text(
            "丢失后重传的段，和乱序到达的段",
            "segments that were sent again after a loss, and segments out of order",
        ),
        expected=Text(
            "按序号排好之后每个响应都解码，没有连接被放弃",
            "put in order by their numbers, each response is decoded and no connection given up",
        ),
    )


@graded("nginx")
def nginx(world: World) -> None:
    seen = first(world)
    world.lab.step("看 nginx 的响应", "look at what nginx answered")
    world.judge(
        seen,
        tried=Text("nginx 的响应：它从不引用动态表", "nginx, which never refers to the dynamic table"),
        expected=Text("计数与 Go 的服务器一样精确", "counts as exact as those of Go's server"),
        accept=_of(seen, "nginx_h2c", metrics=(RESPONSES, ERRORS, UNDECODABLE)),
    )


@graded("grpc")
def grpc(world: World) -> None:
    seen = first(world)
    world.lab.step("看 gRPC 的调用，一部分以错误结束", "look at the calls of gRPC, some of which failed")
    world.judge(
        seen,
        tried=Text(
            "gRPC 调用，一部分的 grpc-status 不是 0", "calls of gRPC, some with a grpc-status other than 0"
        ),
        expected=Text("每次调用一个响应，没有 5xx", "one response for each call, and no 5xx"),
        accept=_of(seen, "grpc", metrics=(RESPONSES, ERRORS, UNDECODABLE)),
    )
