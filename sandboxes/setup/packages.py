"""Programs that come from Debian: installed by apt as root, else named in one line with the command."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sandboxes.setup import command
from sandboxes.setup.step import Say, SetupError


@dataclass(frozen=True)
class Tool:
    """Something the machine must have. `looks_for` are programs or absolute paths; any one will do."""

    package: str
    looks_for: tuple[str, ...]
    purpose: str

    def here(self) -> bool:
        return any(
            Path(name).exists() if name.startswith("/") else shutil.which(name) for name in self.looks_for
        )


RUNNING = (
    Tool("bubblewrap", ("bwrap",), "the jail that learners' programs run in"),
    Tool("git", ("git",), "the course's own checks"),
    Tool("ca-certificates", ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs"), "downloads"),
)
# Tracers are graded in virtual machines; the kernels come packed, each in its own way.
VIRTUAL_MACHINES = (
    Tool("qemu-system-x86", ("qemu-system-x86_64",), "the virtual machines that tracers are graded in"),
    Tool("busybox-static", ("/bin/busybox",), "the shell of a virtual machine"),
    Tool("zstd", ("zstd",), "unpacking a kernel"),
    Tool("lz4", ("lz4",), "unpacking a kernel"),
)
EBPF = (
    Tool("clang-14", ("clang-14", "clang"), "the compiler for eBPF code"),
    Tool("llvm-14", ("llvm-strip-14", "llvm-strip"), "bpf2go takes debug information off with it"),
    Tool("libbpf-dev", ("/usr/include/bpf/bpf_helpers.h",), "the headers of eBPF code"),
    Tool("bpftool", ("bpftool", "/usr/sbin/bpftool"), "writes vmlinux.h from a kernel's types"),
)
TESTING = (Tool("chromium", ("chromium", "chromium-browser", "google-chrome"), "the browser tests"),)


class DebianPackages:
    """Installs what is missing; leaves a machine alone that has everything, whatever its distribution."""

    def __init__(self, name: str, tools: tuple[Tool, ...]) -> None:
        self.name = name
        self._tools = tools

    def missing(self) -> list[Tool]:
        return [tool for tool in self._tools if not tool.here()]

    def done(self) -> bool:
        return not self.missing()

    def run(self, say: Say) -> None:
        missing = self.missing()
        names = " ".join(tool.package for tool in missing)
        by_hand = f"sudo apt-get install {names}"
        needed = ", ".join(f"{tool.package} ({tool.purpose})" for tool in missing)
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise SetupError(f"missing: {needed}", by_hand)
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        patient = ["-o", "DPkg::Lock::Timeout=300"]  # the machine's own updates may be at work
        say(f"apt-get install {names}")
        command.run(["apt-get", "update", "-q"], log="apt-update", env=env, remedy=by_hand)
        install = ["apt-get", *patient, "install", "-q", "-y", "--no-install-recommends"]
        command.run([*install, *(tool.package for tool in missing)], log="apt", env=env, remedy=by_hand)
        if still := self.missing():
            raise SetupError(f"still missing after apt: {' '.join(t.package for t in still)}", by_hand)
