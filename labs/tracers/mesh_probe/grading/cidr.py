"""What is watched: by the longest prefix, in the kernel."""

from __future__ import annotations

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.mesh import Exchange, MeshPlan, Server
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.ledger import RESPONSES, dst
from labs.tracers.mesh_probe.grading.world import CURL, World, graded

SHARE = 0.25
SLACK = 0.05  # seconds: a scrape or a garbage collection may fall into it
BODY, TIMES = 60_000, 24


@graded("cidr")
def cidr(world: World) -> None:
    net = world.network
    first, last, beyond = net.edges()
    excepted = str(net.excepted[1])  # `single` is another one
    addresses = (net.pod(), excepted, str(net.single[0]), first, last, beyond, net.stranger())
    servers = [net.server("h2c", address) for address in addresses]
    sessions = [
        plans.session(world, "h2", server, Exchange("status", 503, plans.some(world, 5, 7)))
        for server in servers
    ]
    # a watched client of a server that is not
    odd = net.server("h2c")
    sessions += [plans.session(world, "h2", servers[-1], Exchange("status", 200, 2), source=odd.address)]
    world.lab.step(
        f"PROBE_CIDRS={net.cidrs}：服务器在各个网段里面、边上和外面",
        f"PROBE_CIDRS={net.cidrs}: servers within these networks, at their edges and outside",
        "bpftool map dump name …",
    )
    _has_trie(world)
    world.judge(
        world.run(plans.plan(servers, sessions)),
        tried=Text("各处的服务器都给出 503", "responses of 503 by servers everywhere"),
        expected=Text(f"只有被监视的服务器：{net.cidrs}", f"those of watched servers only: {net.cidrs}"),
    )


def _has_trie(world: World) -> None:
    maps = world.lab.objects().maps
    if any(one.type == "LPMTrie" for one in maps):
        return
    text = "\n".join(f"{one.name}: {one.type}" for one in maps) or "-"
    raise Failed(
        tried=Text("列出程序的 map", "listed the program's maps"),
        saw=Text(text, text),
        expected=Text("一个 LPM_TRIE 类型的 map", "a map of type LPM_TRIE"),
        hint=Text(
            "网段要放在内核的 trie 里，在拷贝之前就过滤。",
            "The networks belong in a trie in the kernel, before the copy.",
        ),
        command="bpftool map",
    )


@graded("cost")
def cost(world: World) -> None:
    net = world.network
    ours, others = net.server("h2c"), net.server("h2c", net.stranger())
    lab = world.lab
    lab.step(
        "同样多的流量，先到被监视的服务器，再到别处，各测一次你的进程的 CPU 时间",
        "as much traffic to a watched server as to another one: the CPU time of your process for each",
    )
    watched, foreign = _measure(world, ours), _measure(world, others)
    lab.step(
        f"被监视的 {watched * 1000:.0f} 毫秒，别处的 {foreign * 1000:.0f} 毫秒",
        f"watched {watched * 1000:.0f} ms, foreign {foreign * 1000:.0f} ms",
    )
    if foreign > SHARE * watched + SLACK:
        raise Failed(
            tried=Text("测量你的进程的 CPU 时间", "measured the CPU time of your process"),
            saw=Text(
                f"别处的流量用了 {foreign * 1000:.0f} 毫秒，被监视的用了 {watched * 1000:.0f} 毫秒",
                f"foreign traffic took {foreign * 1000:.0f} ms, watched traffic {watched * 1000:.0f} ms",
            ),
            expected=Text("至多四分之一", "a quarter of it at most"),
            hint=Text(
                "包拷贝到用户态之后才丢弃，拷贝的开销已经付了：让 socket filter 对它们返回 0。",
                "What is thrown away after the copy has been paid for: have the socket filter return 0 for it.",
            ),
            command="cat /sys/fs/cgroup/…/cpu.stat",
        )


def _measure(world: World, server: Server) -> float:
    plan = _much(world, server)
    usage = world.lab.guest.usage(world.lab.operator.number).cpu_seconds
    truth = world.network.watched(world.mesh(plan))
    place, wanted = dst(server.place), len(truth.replies)
    if wanted:
        world.lab.eventually(
            lambda: world.page().value(RESPONSES, dst=place),
            want=lambda seen: seen >= wanted,
            tried=Text(f"{wanted} 个大的响应", f"{wanted} large responses"),
            expected=Text("全部计到", "all are counted"),
            hint=lambda seen: Text(f"计到 {seen:g} 个。", f"{seen:g} were counted."),
            command=CURL,
        )
    else:
        world.page()
    return world.lab.guest.usage(world.lab.operator.number).cpu_seconds - usage


def _much(world: World, server: Server) -> MeshPlan:
    exchange = Exchange("status", 200, TIMES, body=BODY)
    return plans.plan((server,), (plans.session(world, "h2", server, exchange),))
