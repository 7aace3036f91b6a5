"""The checks of the tests' own lab: no sandbox, so that the engine can be tested in seconds."""

from labs.harness.checks import Failed, check
from labs.harness.events import Text
from labs.harness.operator_lab import ProgramLab


@check("speaks")
def speaks(lab: ProgramLab) -> None:
    lab.step("启动程序", "start the program", "./program")
    lab.operator.launch({"GREETING": "hello"})
    lab.eventually(
        lambda: [line.text for line in lab.operator.lines],
        want=lambda lines: "ready hello" in lines,
        timeout=3,
        tried=Text("以 GREETING=hello 启动", "started it with GREETING=hello"),
        expected=Text("打印 ready hello", "it prints ready hello"),
        hint=lambda lines: Text(f"只看到 {len(lines)} 行", f"only {len(lines)} lines were seen"),
    )


@check("ends")
def ends(lab: ProgramLab) -> None:
    exit_ = lab.operator.stop(timeout=2)
    if exit_.code != 0:
        zh, en = exit_.describe()
        raise Failed(
            tried=Text("发送 SIGTERM", "sent SIGTERM"),
            saw=Text(zh, en),
            expected=Text("退出码 0", "exit code 0"),
            hint=Text("用 signal.NotifyContext", "use signal.NotifyContext"),
        )
