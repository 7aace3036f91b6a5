"""A template's name: whatever it was made of is in it, so that no machine goes on from a stale one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sandboxes.setup import golang, guestfiles, kernels
from sandboxes.vm import initramfs, qemu, shelf
from sandboxes.vm.qemu import Machine
from sandboxes.vm.shelf import Shelf

MIB = 1 << 20
Patch = pytest.MonkeyPatch
Change = Callable[["Made", Patch], None]


class Made:
    """What a template is made of, in a cache of its own. `qemu` and `busybox` are files of the system."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.qemu, self.busybox = folder / "qemu-system-x86_64", folder / "busybox"
        self.machine = Machine(kernels.kernel("6.12"), 256 * MIB, "tcg")
        self.shelf = Shelf(self.cache)
        self.package = self.machine.kernel.folder / "package"
        self.programs = guestfiles.stamp(self.cache)
        ours = self.shelf.agent, self.shelf.mesh, self.programs, self.package
        for file in (*ours, self.qemu, self.busybox):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("as it was")

    def key(self) -> str:
        return self.shelf.key(self.machine)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: Patch) -> Made:
    monkeypatch.setenv("LASTMILE_CACHE", str(tmp_path / "cache"))
    found = Made(tmp_path)
    monkeypatch.setattr(qemu, "program", lambda: str(found.qemu))
    monkeypatch.setattr(shelf, "BUSYBOX", found.busybox)
    return found


def _machine(another: Callable[[Machine], Machine]) -> Change:
    def do(made: Made, _: Patch) -> None:
        made.machine = another(made.machine)

    return do


def _content(file: Callable[[Made], Path]) -> Change:
    return lambda made, _: _write(file(made))


def _write(file: Path) -> None:
    file.write_text("as it is now")


def _set(module: object, name: str, value: object) -> Change:
    return lambda _, monkeypatch: monkeypatch.setattr(module, name, value)


def _elsewhere(made: Made, monkeypatch: Patch) -> None:
    """The same bytes of the same age, as where two versions of QEMU are installed side by side."""
    other = made.qemu.with_name("another")
    os.link(made.qemu, other)
    monkeypatch.setattr(qemu, "program", lambda: str(other))


def _younger(file: Path) -> None:
    """Replaced by one of the same length, as an upgrade may."""
    about = file.stat()
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns + 1))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_content(lambda made: made.shelf.agent), id="agent"),
        pytest.param(lambda made, _: made.shelf.agent.unlink(), id="no agent"),
        pytest.param(_content(lambda made: made.shelf.mesh), id="mesh"),
        pytest.param(_content(lambda made: made.programs), id="guest's programs"),
        pytest.param(_content(lambda made: made.package), id="kernel's package"),
        pytest.param(
            _machine(lambda m: replace(m, kernel=replace(m.kernel, series="6.11"))), id="kernel's series"
        ),
        pytest.param(_set(kernels, "MODULES", ("dummy",)), id="modules"),
        pytest.param(_set(kernels, "_LAYOUT", "another"), id="kernel's layout"),
        pytest.param(lambda made, _: _younger(made.qemu), id="QEMU"),
        pytest.param(_elsewhere, id="QEMU elsewhere"),
        pytest.param(lambda made, _: _younger(made.busybox), id="busybox"),
        pytest.param(_content(lambda made: made.busybox), id="busybox's length"),
        pytest.param(_set(initramfs, "APPLETS", ("sh",)), id="applets"),
        pytest.param(_machine(lambda m: replace(m, memory_bytes=128 * MIB)), id="memory"),
        pytest.param(_machine(lambda m: replace(m, accelerator="kvm")), id="accelerator"),
        pytest.param(_set(qemu, "_MACHINE", "q35"), id="QEMU's command line"),
        pytest.param(_set(qemu, "KERNEL_ARGUMENTS", "quiet"), id="kernel's command line"),
        pytest.param(_set(qemu, "_SECCOMP", "off"), id="QEMU's sandbox"),
        pytest.param(_set(golang, "VERSION", "1.0"), id="Go"),
        pytest.param(_set(shelf, "_MAKING", "another"), id="how it is made"),
    ],
)
def test_whatever_it_was_made_of_changes_its_name(made: Made, monkeypatch: Patch, change: Change) -> None:
    before = made.key()
    stored = made.shelf.folder(made.machine)
    stored.mkdir(parents=True)
    (stored / "manifest.json").write_text("{}")
    assert made.shelf.stands(made.machine)
    assert made.key() == before
    change(made, monkeypatch)
    assert made.key() != before
    assert not made.shelf.stands(made.machine)


def test_two_inputs_that_change_places_are_another_template(made: Made) -> None:
    made.shelf.agent.write_text("one")
    made.shelf.mesh.write_text("two")
    before = made.key()
    made.shelf.agent.write_text("two")
    made.shelf.mesh.write_text("one")
    assert made.key() != before


@pytest.mark.parametrize(("accelerator", "same"), [("kvm", False), ("tcg", True)])
def test_another_processor_makes_another_template_under_kvm_alone(
    made: Made, monkeypatch: Patch, accelerator: str, same: bool
) -> None:
    made.machine = replace(made.machine, accelerator=accelerator)
    monkeypatch.setattr(shelf, "_processor", lambda: "model name: one")
    before = made.key()
    monkeypatch.setattr(shelf, "_processor", lambda: "model name: another")
    assert (made.key() == before) is same
