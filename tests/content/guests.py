"""The chapters' eBPF programs, built as a reader builds them and run in real guests."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sandboxes.bpf import toolchain
from sandboxes.interface import Spec
from sandboxes.setup import golang, kernels
from sandboxes.vm.provider import VirtualMachineProvider
from sandboxes.vm.sandbox import VirtualMachine
from tests.content.reading import EXAMPLES

TRACERS = EXAMPLES / "tracers"
KERNELS = tuple(kernel.series for kernel in kernels.SERIES)
_GENERATE = re.compile(r"^//go:generate go tool bpf2go (.*)$", re.MULTILINE)
_PROGRAM = re.compile(r"(?<!/)\bbin/([a-z0-9]+)")
_RUN_SECONDS = 300.0


class BuildFailed(Exception):
    """A tool's complaint about an example."""


def call(argv: list[str], folder: Path, more: Mapping[str, str] | None = None) -> None:
    """Run a tool. Raises BuildFailed with what it said."""
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**golang.environment(), **(more or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BuildFailed(f"{shlex.join(argv)} in {folder.name}: {done.stdout}{done.stderr}")


def build(into: Path) -> Path:
    """What generate.sh does, with the pinned tools and headers. Returns the folder with bin/ and the scripts."""
    shutil.copytree(TRACERS, into, ignore=shutil.ignore_patterns("bin", "headers", "*_bpfel.*"))
    (into / "headers").symlink_to(toolchain.include())
    for source in sorted(into.rglob("*.go")):
        for words in _GENERATE.findall(source.read_text(encoding="utf-8")):
            generate(source.parent, shlex.split(words))
    flags = ["-trimpath", "-buildvcs=false"]
    call([str(golang.go()), "vet", *flags, "./..."], into)
    call([str(golang.go()), "build", *flags, "-ldflags=-s -w", "-o", "bin/", "./..."], into)
    # a uprobe finds its function by the symbol table, which -s leaves out
    call([str(golang.go()), "build", *flags, "-ldflags=-w", "-o", "bin/", "./tls"], into)
    return into


def generate(package: Path, words: list[str]) -> None:
    """bpf2go as the source asks for it."""
    strip = next(filter(None, map(shutil.which, toolchain.STRIP)))
    tools = [str(toolchain.bpf2go()), "-cc", str(toolchain.clang()), "-strip", strip]
    call([*tools, *words], package)


@dataclass
class Guests:
    """One machine for each kernel, and what has been copied into them."""

    built: Path
    machines: dict[str, VirtualMachine]
    copied: set[str] = field(default_factory=set)

    @classmethod
    def start(cls, built: Path) -> Guests:
        machines: dict[str, VirtualMachine] = {}
        with contextlib.ExitStack() as undo:
            for series in KERNELS:
                spec = Spec("vm", options={"kernel": series})
                machines[series] = VirtualMachineProvider().start(spec, lambda said: None)
                undo.callback(machines[series].close)
            undo.pop_all()
        return cls(built, machines)

    def close(self) -> None:
        for machine in self.machines.values():
            machine.close()

    def run(self, command: str) -> dict[str, str]:
        """Kernel → what the chapter's command prints there."""
        command = re.sub(r"\bsudo ", "", command)
        self._copy(command)
        with ThreadPoolExecutor() as pool:
            said = pool.map(lambda series: self._run(series, command), KERNELS)
            return dict(zip(KERNELS, said, strict=True))

    def _run(self, series: str, command: str) -> str:
        done = self.machines[series].run("sh", "-c", command, timeout=_RUN_SECONDS)
        if done.stopped_by:
            raise AssertionError(f"{command} on {series}: stopped by {done.stopped_by}: {done.output!r}")
        return done.output.decode()

    def _copy(self, command: str) -> None:
        """The programs that it names, itself or in its script."""
        named = command
        if script := re.fullmatch(r"sh (\w+\.sh)", command):
            named = (self.built / script[1]).read_text(encoding="utf-8")
            self._put(script[1])
        for program in _PROGRAM.findall(named):
            self._put(f"bin/{program}")

    def _put(self, name: str) -> None:
        if name in self.copied:
            return
        self.copied.add(name)
        for machine in self.machines.values():
            machine.put(self.built / name, name)
