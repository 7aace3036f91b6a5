"""How it ends, and what stays."""

from __future__ import annotations

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.tracers.mesh_probe.grading.world import World, graded

STOP_WITHIN = 5.0


@graded("exits")
def exits(world: World) -> None:
    lab = world.lab
    lab.step("发送 SIGTERM", "send SIGTERM", "kill -TERM PID; echo $?")
    ended = lab.operator.stop(STOP_WITHIN)
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


@graded("killed", running=False)
def killed(world: World) -> None:
    lab = world.lab
    if not lab.operator.running:
        lab.step("再次启动", "start it again")
        world.start()
    lab.step("发送 SIGKILL", "send SIGKILL", "kill -KILL PID; bpftool prog; ls /sys/fs/bpf")
    lab.operator.kill()
    lab.nothing_left()
