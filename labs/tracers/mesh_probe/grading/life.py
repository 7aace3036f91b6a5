"""How it ends, and what stays."""

from __future__ import annotations

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.calls import await_call, so_far
from labs.tracers.mesh_probe.grading.ledger import dst
from labs.tracers.mesh_probe.grading.world import World, graded

STOP_WITHIN = 5.0
_LATE = 1.0  # what looking at the guest's clock may take
_PATIENCE = 30.0


@graded("exits")
def exits(world: World) -> None:
    lab = world.lab
    lab.step("发送 SIGTERM", "send SIGTERM", "kill -TERM PID; echo $?")
    told = world.uptime()
    ended = lab.operator.stop(_PATIENCE)
    took = world.uptime() - told
    if took > STOP_WITHIN + _LATE:
        raise Failed(
            tried=Text("发送 SIGTERM", "sent SIGTERM"),
            saw=Text(f"{took:.1f} 秒后才结束", f"it ended after {took:.1f} s"),
            expected=Text(f"{STOP_WITHIN:g} 秒之内", f"within {STOP_WITHIN:g} s"),
            hint=Text(
                "取消 context 之后，谁还在等？读包的系统调用要能被打断，webhook 的请求要带 context。",
                "Who still waits after the context was cancelled? The read of packets has to be interruptible, and a "
                "webhook's request to have the context.",
            ),
            command="time kill -TERM PID",
        )
    if ended.code != 0:
        zh, en = ended.describe()
        raise Failed(
            tried=Text("发送 SIGTERM", "sent SIGTERM"),
            saw=Text(zh, en),
            expected=Text("退出码 0", "exit code 0"),
            hint=Text(
                "没有处理 SIGTERM 的 Go 程序以信号结束（143），main 里的 log.Fatal 以 1 结束。"
                "用 signal.NotifyContext，再正常返回。",
                "A Go program that does not handle SIGTERM ends by the signal (143), log.Fatal ends with 1. Use "
                "signal.NotifyContext and return.",
            ),
            command="kill -TERM PID; echo $?",
        )
    lab.nothing_left()


@graded("defaults", running=False)
def defaults(world: World) -> None:
    lab, server = world.lab, world.network.server("h2c")
    lab.step("再次启动，不设 PROBE_WINDOW", "start it again, without PROBE_WINDOW")
    world.start(default=True)
    lab.step("服务器重置三条流", "the server resets three streams")
    before = so_far(world)
    world.mesh(plans.aborts(world, (server, 3)))
    await_call(
        world,
        before,
        "reset_streams",
        dst(server.place),
        tried=Text("不设 PROBE_WINDOW，重置三条流", "reset three streams without PROBE_WINDOW"),
        since=world.ended,
    )


@graded("killed", running=False)
def killed(world: World) -> None:
    lab = world.lab
    if not lab.operator.running:
        lab.step("再次启动", "start it again")
        world.start()
    lab.step("发送 SIGKILL", "send SIGKILL", "kill -KILL PID; bpftool prog; ls /sys/fs/bpf")
    lab.operator.kill()
    lab.nothing_left()
