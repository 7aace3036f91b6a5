"""What eBPF code is compiled with: bpf2go from its pinned module, libbpf's headers, and vmlinux.h.

vmlinux.h holds every type of a kernel, written by bpftool from that kernel's BTF. CO-RE moves a
program compiled with one kernel's types to another kernel, so one header would do; each kernel's own
is there for who wants to look a type up.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sandboxes.bpf import toolchain
from sandboxes.setup.kernels import SERIES, Kernel
from sandboxes.setup.modules import CHECKOUT, GoProgram
from sandboxes.setup.stamps import Stamp, digest, part_of
from sandboxes.setup.step import Say, SetupError, Step

_LIBBPF = Path("/usr/include/bpf")
_SBIN = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
_BY_HAND = "sudo apt-get install bpftool libbpf-dev"


def bpf2go() -> GoProgram:
    source = CHECKOUT / "sandboxes" / "bpf" / "bpf2go"
    return GoProgram(source, "github.com/cilium/ebpf/cmd/bpf2go")


class Headers:
    """<cache>/bpf/include, renamed into place as a whole."""

    name = "vmlinux.h and libbpf's headers"

    def __init__(self, kernels: tuple[Kernel, ...] = SERIES) -> None:
        self._kernels = kernels

    def _stamp(self) -> Stamp:
        return Stamp(toolchain.include().parent / "stamp")

    def _key(self) -> str:
        return digest(*(kernel.key() for kernel in self._kernels), sorted(_LIBBPF.glob("*.h")))

    def done(self) -> bool:
        return (toolchain.include() / "vmlinux.h").is_file() and self._stamp().matches(self._key())

    def run(self, say: Say) -> None:
        key, final = self._key(), toolchain.include()
        final.parent.mkdir(parents=True, exist_ok=True)
        self._stamp().clear()
        part = part_of(final)
        shutil.rmtree(part, ignore_errors=True)
        if not _LIBBPF.is_dir():
            raise SetupError(f"there is no {_LIBBPF}", _BY_HAND)
        shutil.copytree(_LIBBPF, part / "bpf")
        for kernel in self._kernels:
            say(f"types of Linux {kernel.series}")
            (part / f"vmlinux-{kernel.series}.h").write_bytes(types_of(kernel.vmlinux))
        # compiled with the oldest kernel's types: what is newer has to be asked for
        (part / "vmlinux.h").write_text(f'#include "vmlinux-{self._kernels[0].series}.h"\n')
        shutil.rmtree(final, ignore_errors=True)
        part.rename(final)
        self._stamp().write(key)


def types_of(vmlinux: Path) -> bytes:
    """A C header with every type in the BTF of a kernel. Raises SetupError."""
    tool = shutil.which("bpftool", path=_SBIN)
    if tool is None:
        raise SetupError("there is no bpftool", _BY_HAND)
    asked = [tool, "btf", "dump", "file", str(vmlinux), "format", "c"]
    ended = subprocess.run(asked, capture_output=True)
    if ended.returncode or b"struct task_struct {" not in ended.stdout:
        raise SetupError(
            f"bpftool found no types in {vmlinux}: {ended.stderr.decode(errors='replace')[:300]}"
        )
    return ended.stdout


def steps() -> list[Step]:
    return [bpf2go(), Headers()]
