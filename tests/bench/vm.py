"""Virtual machines: a restore against a cold boot of the same kernel, a lease, memory, machines a minute."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandboxes import folders
from sandboxes.interface import Spec
from sandboxes.jail import Process
from sandboxes.pool import client
from sandboxes.vm import VirtualMachine, VirtualMachineProvider, memory, qemu, template
from tests.bench.figures import Row, Series, ratios
from tests.bench.sandboxes import _await_warm, _descendants, pool

_KERNELS = ("6.1", "6.12")
_MANY = 12
_TOGETHER = 4


def _spec(kernel: str) -> Spec:
    return Spec("vm", options={"kernel": kernel})


def _cpu(process: Process) -> float:
    """Processor seconds of the whole jail so far, its keeper included."""
    ticks = 0
    for pid in [process.pid, *_descendants(process.pid)]:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _pss(vm: VirtualMachine) -> float:
    """MiB of a machine, shared pages split fairly, its keeper included."""
    process = vm._process
    assert process is not None
    total = 0
    for pid in [process.pid, *_descendants(process.pid)]:
        with contextlib.suppress(OSError):
            rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total / 1024


@contextlib.contextmanager
def _cold(provider: VirtualMachineProvider, machine: qemu.Machine) -> Iterator[Process]:
    """A machine that has booted until its agent answers, in the same jail as every other."""
    folder = folders.create("vm", f"bench-{time.monotonic_ns() % 10**9}")
    ram = memory.create(machine.memory_bytes)
    try:
        with template.cold_boot(machine, provider.shelf.image(machine), folder, ram) as (process, _, _):
            yield process
    finally:
        os.close(ram)
        folders.remove(folder)


class _Kernel:
    """The figures of one kernel."""

    def __init__(self, series: str) -> None:
        self.series = series
        self.cold, self.cold_cpu = Series(), Series()
        self.restore, self.restore_cpu = Series(), Series()

    def measure(self, provider: VirtualMachineProvider, idle: Series) -> None:
        machine = provider.machine(_spec(self.series))
        provider.shelf.get(machine)
        begun = time.monotonic()
        with _cold(provider, machine) as process:
            self.cold.add(time.monotonic() - begun)
            self.cold_cpu.add(_cpu(process))
        begun = time.monotonic()
        vm = provider.start(_spec(self.series), lambda _: None)
        try:
            self.restore.add(time.monotonic() - begun)
            assert vm._process is not None
            self.restore_cpu.add(_cpu(vm._process))
            idle.add(_pss(vm))
        finally:
            vm.close()

    def rows(self) -> list[Row]:
        name = f"Linux {self.series}"
        return [
            Row(f"cold boot to the agent's answer, {name}", self.cold),
            Row(f"cold boot, {name}, processor time", self.cold_cpu),
            Row(f"restore to the agent's answer, {name}", self.restore),
            Row(f"restore, {name}, processor time", self.restore_cpu),
            Row(f"restore / cold boot, {name}", ratios(self.restore, self.cold), aim=1 / 20),
            Row(
                f"restore / cold boot, {name}, processor time",
                ratios(self.restore_cpu, self.cold_cpu),
                aim=1 / 20,
            ),
        ]


def _together(provider: VirtualMachineProvider) -> float:
    """MiB of one of several idle machines of a kernel: what none of them has written is there once for all."""
    with contextlib.ExitStack() as stack:
        machines = []
        for _ in range(_TOGETHER):
            vm = provider.start(_spec(_KERNELS[-1]), lambda _: None)
            stack.callback(vm.close)
            machines.append(vm)
        return sum(_pss(vm) for vm in machines) / _TOGETHER


def _a_minute(provider: VirtualMachineProvider) -> float:
    """Machines a minute, two at a time, each restored, asked for one command and ended."""

    def one(number: int) -> None:
        vm = provider.start(_spec(_KERNELS[number % 2]), lambda _: None)
        try:
            assert vm.run("/bin/true").exit_code == 0
        finally:
            vm.close()

    begun = time.monotonic()
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(one, range(_MANY)))
    return _MANY * 60 / (time.monotonic() - begun)


def measure(rounds: int, run: Path) -> list[Row]:
    """Interleaved: each kernel cold and restored, a lease, many machines; and again."""
    provider = VirtualMachineProvider()
    kernels = [_Kernel(series) for series in _KERNELS]
    idle, together = Series("MiB"), Series("MiB")
    lease, many = Series(), Series("a minute")
    with pool(run):
        for _ in range(rounds):
            for kernel in kernels:
                kernel.measure(provider, idle)
            client.keep_warm(_spec("6.12"), 1)
            _await_warm(1)
            begun = time.monotonic()
            with client.lease(_spec("6.12")):
                lease.add(time.monotonic() - begun)
            client.keep_warm(_spec("6.12"), 0)
            together.add(_together(provider))
            many.add(_a_minute(provider))
    return [
        *(row for kernel in kernels for row in kernel.rows()),
        Row("lease of a frozen machine", lease),
        Row(
            f"memory of an idle machine, one of {_TOGETHER} of a kernel (PSS, its keeper included)",
            together,
            aim=60,
        ),
        Row("memory of an idle machine that has none to share with (PSS, its keeper included)", idle),
        Row("machines restored, used and ended, two at a time", many),
    ]
