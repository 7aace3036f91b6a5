"""Why a machine went away: read from its console, never from what the guest says of itself.

The learner's program is root in the guest. Once it was started there, what ends the machine from
inside (power-off, panic, a killed or overrun agent) is its doing: a check fails and says so. What ends
it from outside is ours: the emulator crashed, or the machine was lost before any program of the learner
ran in it. A console can be silenced from inside; how the emulator ended cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labs.harness.events import Text
from sandboxes.interface import Handle
from sandboxes.vm.errors import GuestError, Malformed, Silent

_TAIL_BYTES = 16_000
_KERNEL_SAYS: tuple[tuple[str, Text], ...] = (
    (
        r"Attempted to kill init|end Kernel panic.*init",
        Text(
            "虚拟机里的 1 号进程被杀，内核随之崩溃",
            "process 1 of the machine was killed, and its kernel panicked",
        ),
    ),
    (
        r"sysrq: Trigger a crash|sysrq triggered crash",
        Text("程序经 sysrq 让内核崩溃", "the program made the kernel crash through sysrq"),
    ),
    # a lockup that its watchdog reports ends no kernel: a busy host may be why
    (r"Kernel panic|Oops|(?<!watchdog: )BUG: ", Text("虚拟机的内核崩溃了", "the machine's kernel panicked")),
    (
        r"reboot: (?:Power down|System halted)|sysrq: Power Off",
        Text("程序关掉了虚拟机", "the program powered the machine off"),
    ),
    (
        r"reboot: (?:Restarting|machine restart)|sysrq: Resetting",
        Text("程序重启了虚拟机", "the program restarted the machine"),
    ),
    (
        r"Out of memory and no killable processes",
        Text("程序用光了虚拟机的内存", "the program used up the machine's memory"),
    ),
)
_TAMPERED = Text(
    "虚拟机的管理通道上出现了不是代理程序发出的数据：只有程序自己写了那个端口才会这样",
    "something other than the agent wrote to the machine's channel: only a program that opens that port does so",
)
_OFF = Text(
    "程序关掉或重启了虚拟机，内核没有在控制台留下话",
    "the program powered the machine off or restarted it, without a word on the console",
)
_SILENT = Text(
    "程序启动之后，虚拟机不再响应：代理程序被停住，或者 CPU、内存被用尽",
    "the machine stopped answering after the program was started: the agent was stopped, or processor or "
    "memory were used up",
)


@dataclass(frozen=True)
class Lost:
    """`ours`: grading broke, and it does not count. `log` is for who runs the site."""

    ours: bool
    text: Text
    log: str


def why_lost(handle: Handle, error: GuestError, *, started: bool, off: Callable[[], bool]) -> Lost:
    """The reason, by the evidence. `started`: a program of the learner has run in it. `off()`: the emulator has ended
    in order, as it does when the guest asks for it; it is called only where the console does not say.
    """
    console = console_tail(handle)
    log = f"{type(error).__name__}: {error}\n{console[-3000:]}"
    said = next((text for pattern, text in _KERNEL_SAYS if re.search(pattern, console)), None)
    if not started:
        return Lost(True, Text("虚拟机没有起来", "the machine was lost before its use"), log)
    if said is not None:
        return Lost(False, said, log)
    if isinstance(error, Malformed):
        return Lost(False, _TAMPERED, log)
    if isinstance(error, Silent):
        return Lost(False, _SILENT, log)
    if off():
        return Lost(False, _OFF, log)
    # closed, and the kernel has said nothing: the emulator itself has ended
    return Lost(True, Text("虚拟机意外结束", "the machine ended for a reason of ours"), log)


def console_tail(handle: Handle) -> str:
    """The end of what the guest's kernel wrote to its console; "" when there is none."""
    try:
        content = Path(handle.data["dir"], "console.log").read_bytes()
    except (OSError, KeyError):
        return ""
    return content[-_TAIL_BYTES:].decode("utf-8", "replace")
