"""cilium/ebpf against libbpf through cgo, doing the same work: `python -m tests.content.compare` prints the table.

CPU seconds throughout, which a busy machine does not change much: of the build on this machine, with a
warm cache and one edited file; of the whole run in a guest, which is emulated where there is no KVM.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import resource
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandboxes.bpf import toolchain
from sandboxes.interface import Spec
from sandboxes.setup import golang
from sandboxes.vm.provider import VirtualMachineProvider
from sandboxes.vm.sandbox import VirtualMachine
from tests.content.guests import build, call

KERNEL = "6.12"
OBJECT = "execs/execs_x86_bpfel.o"


@dataclass(frozen=True)
class Library:
    name: str
    package: str
    flags: tuple[str, ...]
    environment: Mapping[str, str]


LIBRARIES = (
    Library("cilium/ebpf", "compare/cilium", ("-ldflags=-s -w",), {}),
    Library(
        "libbpf through cgo",
        "compare/libbpf",
        ("-ldflags=-s -w -extldflags=-static",),
        {"CGO_ENABLED": "1", "CC": toolchain.clang() or "cc"},
    ),
)


@dataclass(frozen=True)
class Measured:
    build_seconds: float
    size_bytes: int
    start_seconds: float
    memory_kib: int


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _build(built: Path, library: Library, edit: int) -> tuple[Path, float]:
    """The program, and what building it after an edit took."""
    source = built / library.package / "main.go"
    source.write_text(f"{source.read_text()}\nvar _ = {edit}\n")
    program = built / "bin" / Path(library.package).name
    words = ["-trimpath", "-buildvcs=false", *library.flags, "-o", str(program), f"./{library.package}"]
    before = _cpu_of_children()
    call([str(golang.go()), "build", *words], built, library.environment)
    return program, _cpu_of_children() - before


def _run(machine: VirtualMachine, program: Path) -> tuple[float, int]:
    """CPU seconds and the most memory, in KiB, of one run."""
    done = machine.run(f"/work/bin/{program.name}", f"/work/{OBJECT}", timeout=60)
    said = re.fullmatch(rb"(\d+) kB\n", done.output)
    if done.exit_code != 0 or said is None:
        raise AssertionError(f"{program.name}: {done}")
    return done.cpu_seconds, int(said[1])


def measure(built: Path, machine: VirtualMachine, library: Library, times: int) -> Measured:
    """Medians over `times`. The first build fills the cache and is not counted."""
    _build(built, library, 0)
    builds = [_build(built, library, edit) for edit in range(1, times + 1)]
    program = builds[0][0]
    machine.put(built / OBJECT, OBJECT)
    machine.put(program, f"bin/{program.name}")
    runs = [_run(machine, program) for _ in range(times)]
    return Measured(
        build_seconds=statistics.median(seconds for _, seconds in builds),
        size_bytes=program.stat().st_size,
        start_seconds=statistics.median(seconds for seconds, _ in runs),
        memory_kib=int(statistics.median(memory for _, memory in runs)),
    )


def table(measured: Mapping[str, Measured]) -> str:
    lines = [f"{'':20}{'build':>8}{'binary':>10}{'start':>9}{'memory':>10}"]
    lines += [
        f"{name:20}{m.build_seconds:6.1f} s{m.size_bytes / 1e6:7.1f} MB{m.start_seconds:7.2f} s"
        f"{m.memory_kib / 1024:6.1f} MiB"
        for name, m in measured.items()
    ]
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lm-compare-") as folder:
        os.environ["LASTMILE_RUN"] = folder
        built = build(Path(folder) / "tracers")
        machine = VirtualMachineProvider().start(
            Spec("vm", options={"kernel": KERNEL}), lambda progress: None
        )
        try:
            accelerator = machine.handle.data["accelerator"]
            print(table({library.name: measure(built, machine, library, 5) for library in LIBRARIES}))
        finally:
            machine.close()
    cores = os.cpu_count()
    print(
        f"CPU seconds; build on {cores} {platform.machine()} cores with Go {golang.VERSION}, start in a",
        end=" ",
    )
    print(f"guest of Linux {KERNEL} ({accelerator}); {dt.datetime.now(tz=dt.UTC).date()}")


if __name__ == "__main__":
    main()
