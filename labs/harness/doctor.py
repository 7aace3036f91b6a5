"""`lastmile doctor`: what this machine can do, and the remedy for what it cannot."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from labs.harness.events import Text
from sandboxes.bpf import toolchain
from sandboxes.controlplane.provider import ControlPlaneProvider
from sandboxes.interface import Unavailable
from sandboxes.jail import Capabilities
from sandboxes.jail import capabilities as try_capabilities
from sandboxes.paths import cache_dir
from sandboxes.setup import golang
from sandboxes.vm import VirtualMachineProvider, accelerator

_SETUP = "make setup"
# With 1, as Ubuntu has it since 24.04, who has no privileges has none in a user namespace of its own either, and
# bubblewrap cannot write its map of uids there. A container sees its host's.
# https://ubuntu.com/blog/ubuntu-23-10-restricted-unprivileged-user-namespaces
_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_LIFT = f"sysctl kernel.{_APPARMOR.name}=0"


@cache
def capabilities() -> Capabilities:
    return try_capabilities()


@dataclass(frozen=True)
class Finding:
    """One ability. `needed` is False for what only some labs use or what merely makes things stronger."""

    name: str
    ok: bool
    detail: str
    needed: bool
    without: Text
    remedy: str = ""

    def json(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Finding]:
    """Every ability, each tried rather than guessed where that is cheap."""
    looks: list[Callable[[], Finding]] = [
        _root,
        _cgroups,
        _user_namespaces,
        _bubblewrap,
        _seccomp,
        _jail_runs,
        _overlay,
        _go,
        _ebpf,
        _kubernetes,
        _virtual_machines,
    ]
    return [look() for look in looks]


def table(findings: list[Finding], language: str) -> str:
    """One line an ability; what is missing is followed by what that means and by the remedy."""
    lines: list[str] = []
    for found in findings:
        mark = "✓" if found.ok else ("✗" if found.needed else "–")
        lines.append(f"{mark} {found.name:18} {found.detail}")
        if not found.ok:
            lines.append(f"    {found.without.zh if language == 'zh' else found.without.en}")
            lines += [f"    → {found.remedy}"] if found.remedy else []
    return "\n".join(lines)


def _root() -> Finding:
    uid = os.geteuid()
    without = Text(
        "没有 root 就没有独立的网络命名空间和各自的 uid：不能启动控制面",
        "without root there are no network namespaces and no uids of their own: no control plane",
    )
    return Finding("root", uid == 0, f"uid {uid}", True, without, "sudo lastmile …")


def _cgroups() -> Finding:
    version = capabilities().cgroup
    without = Text("内存和进程数只能靠 rlimit 限制", "memory and processes are then held by rlimits only")
    detail = f"v{version}" if version else "none that can be written"
    return Finding("cgroups", version > 0, detail, True, without, "mount -t cgroup2 none /sys/fs/cgroup")


def _apparmor_restricts() -> bool:
    try:
        return _APPARMOR.read_text().strip() not in ("", "0")
    except OSError:
        return False


def _user_namespaces() -> Finding:
    """Of this user: root makes one also where AppArmor leaves others without, which only a jail tells."""
    ok = capabilities().user_namespaces
    without = Text("jail 无法建立自己的用户命名空间", "a jail cannot have a user namespace of its own")
    remedy = _LIFT if _apparmor_restricts() else "sysctl user.max_user_namespaces=10000"
    return Finding("user namespaces", ok, "one was made" if ok else "refused", True, without, remedy)


def _bubblewrap() -> Finding:
    path = capabilities().bubblewrap
    without = Text("学员的代码无处可跑", "there is nothing to run a learner's code in")
    return Finding("bubblewrap", bool(path), path or "missing", True, without, "apt-get install bubblewrap")


def _seccomp() -> Finding:
    ok = capabilities().seccomp
    without = Text(
        "内核没有 seccomp 过滤器，jail 拒绝启动", "the kernel has no seccomp filters: jails refuse to start"
    )
    return Finding(
        "seccomp", ok, "filters" if ok else "none", True, without, "a kernel with CONFIG_SECCOMP_FILTER"
    )


def _jail_runs() -> Finding:
    """All of the above together: one real jail."""
    broken = capabilities().broken
    without = Text("jail 起不来，不能评测", "a jail does not start: nothing can be graded")
    remedy = ""
    if broken and capabilities().bubblewrap and _apparmor_restricts():
        without = Text(
            "AppArmor 不让没有特权的进程使用用户命名空间（Ubuntu 24.04 起默认如此）：jail 起不来，不能评测；"
            "容器要到宿主机上改",
            "AppArmor keeps user namespaces from processes without privileges, as Ubuntu does since 24.04: a jail does "
            "not start, and nothing can be graded; for a container this is changed on its host",
        )
        remedy = _LIFT
    return Finding("jail", not broken, broken or "one was started", True, without, remedy)


def _overlay() -> Finding:
    ok = capabilities().overlay
    without = Text("编译用不上预热的缓存", "builds cannot use the warm cache")
    return Finding(
        "overlay", ok, "works in a jail" if ok else "refused", True, without, "Linux 5.11 or newer"
    )


def _go() -> Finding:
    ok = os.access(golang.go(), os.X_OK)
    without = Text("不能编译提交", "submissions cannot be built")
    return Finding("Go", ok, str(golang.root()) if ok else "missing", True, without, _SETUP)


def _ebpf() -> Finding:
    missing = toolchain.missing()
    without = Text("不能编译 eBPF 实验的提交", "submissions to eBPF labs cannot be built")
    detail = f"missing: {', '.join(missing)}" if missing else str(toolchain.clang())
    return Finding("eBPF compiler", not missing, detail, False, without, _SETUP)


def _kubernetes() -> Finding:
    without = Text("Operator 实验没有控制面", "operator labs have no control plane")
    provider = ControlPlaneProvider()
    try:
        provider.probe()
    except Unavailable as error:
        return Finding("control plane", False, str(error), True, without, _SETUP)
    return Finding("control plane", True, str(provider.binaries), True, without)


def _virtual_machines() -> Finding:
    """Whether eBPF labs can run, and on what. KVM counts once a machine has booted with it (make setup tries)."""
    without = Text("运行不了 eBPF 实验", "no eBPF labs")
    try:
        VirtualMachineProvider().probe()
    except Unavailable as error:
        return Finding("virtual machines", False, str(error), False, without, _SETUP)
    use = accelerator.read(cache_dir())
    detail = {
        "kvm": "QEMU with KVM",
        "tcg": "QEMU without KVM (TCG): slower, and exact in its counts",
        None: "QEMU; whether KVM works is tried with the first machine",
    }[use]
    return Finding("virtual machines", True, detail, False, without)
