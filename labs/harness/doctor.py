"""`lastmile doctor`: what this machine can do, and the remedy for what it cannot."""

from __future__ import annotations

import os
import shutil
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
        _docker,
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


def _user_namespaces() -> Finding:
    ok = capabilities().user_namespaces
    without = Text("jail 无法建立自己的用户命名空间", "a jail cannot have a user namespace of its own")
    remedy = "sysctl user.max_user_namespaces=10000"
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
    return Finding("jail", not broken, broken or "one was started", True, without)


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


def _docker() -> Finding:
    socket = Path("/var/run/docker.sock")
    ok = shutil.which("docker") is not None and socket.is_socket()
    without = Text(
        "没有带真实节点的 kind 集群；控制面不受影响",
        "no kind clusters with real nodes; control planes are not affected",
    )
    return Finding(
        "Docker", ok, str(socket) if ok else "not running", False, without, "apt-get install docker.io"
    )
