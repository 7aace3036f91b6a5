"""What eBPF code is compiled with, as the set-up made it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxes.bpf import toolchain
from sandboxes.setup import ebpf, modules
from sandboxes.setup.kernels import SERIES
from sandboxes.setup.step import SetupError


def test_it_works() -> None:
    assert toolchain.missing() == []
    assert all(step.done() for step in ebpf.steps())


def test_the_oldest_kernels_types_are_the_default() -> None:
    include = toolchain.include()
    assert (include / "vmlinux.h").read_text() == f'#include "vmlinux-{SERIES[0].series}.h"\n'
    for kernel in SERIES:
        assert "struct tcp_sock {" in (include / f"vmlinux-{kernel.series}.h").read_text()


def test_a_kernel_without_types_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(b"\x7fELF")
    with pytest.raises(SetupError, match="found no types"):
        ebpf.types_of(tmp_path / "vmlinux")


def test_another_kernel_makes_the_headers_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "include", lambda: tmp_path / "include")
    headers = ebpf.Headers()
    headers.run(lambda line: None)
    assert headers.done()
    assert not ebpf.Headers(SERIES[:1]).done()


def test_a_learner_cannot_add_to_the_command_line() -> None:
    argv = toolchain.generate("bpf/a.bpf.c", "bpf", ("event",), ".")
    assert argv[argv.index("--") - 2 : argv.index("--")] == ("bpf", "bpf/a.bpf.c")
    assert "-nostdlibinc" in argv


def test_a_lab_with_ebpf_code_is_seen_with_its_bindings(checkout: Path) -> None:
    solution = checkout / "tests/harness/labs/tracers/states/solution"
    with modules.with_bindings(solution) as folder:
        assert folder != solution
        assert "func loadBpfObjects(" in (folder / "bpf_x86_bpfel.go").read_text()
    assert not folder.exists()
    assert not (solution / "bpf_x86_bpfel.go").exists()
