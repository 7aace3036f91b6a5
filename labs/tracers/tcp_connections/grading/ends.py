"""Connections that end, and those that do not."""

from __future__ import annotations

from labs.harness.events import Text
from labs.tracers.tcp_connections.grading import plans
from labs.tracers.tcp_connections.grading.ledger import CLOSED, expected, released
from labs.tracers.tcp_connections.grading.states import first
from labs.tracers.tcp_connections.grading.world import World, graded


@graded("sides")
def sides(world: World) -> None:
    result = first(world)
    world.lab.step(
        "看这些连接由哪一侧先关闭，来自哪个本地端口",
        "see which side closed these connections first, and from which local port",
    )
    world.judge(
        result,
        tried=Text(
            "一部分连接由客户端先关闭，一部分由服务器先关闭",
            "closed some connections by the client first, some by the server",
        ),
        expected=Text(
            "先关闭的一侧是 local，另一侧是 remote；src_port 是自己的本地端口",
            "the side that closed first is local, the other one is remote; src_port is one's own port",
        ),
        accept=lambda series: series[0] == CLOSED,
    )


@graded("errors")
def errors(world: World) -> None:
    plan = plans.errors(world.draft())
    world.lab.step(
        "被拒绝、超时、任一侧发 RST、留着数据没读就关闭、连接途中放弃",
        "refused, timed out, reset by either side, closed with data unread, given up while connecting",
    )
    world.judge(
        world.run(plan, lambda truth: expected(truth.connections)),
        tried=Text(
            f"{len(plan.connections)} 个没有正常结束的连接",
            f"{len(plan.connections)} connections that did not end in order",
        ),
        expected=Text(
            "reason 是任务书表格里第一个符合的", "reason is the first of the brief's rows that fits"
        ),
    )


@graded("before")
def before(world: World) -> None:
    lab = world.lab
    plan = plans.little(world.draft())
    lab.step(
        "关闭在你的程序启动之前就已建立的连接",
        "close the connections that stood before your program was started",
    )
    misses, counts, scrapes = world.mark()
    lab.release()
    truth = lab.traffic(plan)
    world.judge(
        world.settle(plan, truth, expected(truth.connections), counts, misses, scrapes),
        tried=Text(
            "关闭追踪器挂载之前建立的连接，再建立 3 个新连接",
            "closed connections from before the tracer was attached, then made 3 new ones",
        ),
        expected=Text("只有新连接被计数", "only the new ones are counted"),
    )


@graded("open")
def open_(world: World) -> None:
    lab = world.lab
    plan = plans.queue(world.draft())
    lab.step(
        "一部分连接保持打开；一个监听队列没有人 accept，直到溢出",
        "leave connections open; nobody takes from a listener's queue, until it overflows",
    )
    world.judge(
        world.run(plan, lambda truth: expected(truth.connections)),
        tried=Text(
            "连接保持打开，队列里的连接没有人 accept",
            "left connections open, and in a queue that nobody accepts from",
        ),
        expected=Text(
            "打开的连接不计为关闭；队列里的计为 accepted；挤不进队列的只有 syn_sent 和 timeout",
            "what is open is not counted as closed; who is in the queue is accepted; who found it full is syn_sent "
            "and timeout",
        ),
    )
    lab.step("全部关闭，监听 socket 也关闭", "close all of them, and the listener too")
    misses, counts, scrapes = world.mark()
    lab.release()
    truth = plan.truth()
    world.judge(
        world.settle(plan, truth, released(truth.connections), counts, misses, scrapes),
        tried=Text(
            "关闭这些连接；监听 socket 关闭时内核重置了队列里的连接",
            "closed them; the listener went, and the kernel reset who waited in its queue",
        ),
        expected=Text(
            "每个连接的每一侧恰好计一次关闭", "each side of each connection is counted as closed once"
        ),
    )
