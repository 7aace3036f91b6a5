"""Templates on disk: a damaged one is noticed and made again."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sandboxes.interface import Spec, StartFailed, Unavailable
from sandboxes.paths import cache_dir
from sandboxes.setup import guestfiles
from sandboxes.vm import VirtualMachineProvider, accelerator, memory, qemu, template
from sandboxes.vm.template import Damaged

_SIZE = 1 << 20


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A template of a machine that never was, with memory here and there."""
    fd = memory.create(_SIZE)
    for offset in (0, 70_000, 500_001, _SIZE - 10):
        os.pwrite(fd, b"guest", offset)
    template._store(tmp_path / "t", fd, b"state", "6.12.0", _SIZE)
    os.close(fd)
    return tmp_path / "t"


def test_it_works(stored: Path) -> None:
    loaded = template.load(stored)
    try:
        assert (loaded.state, loaded.release) == (b"state", "6.12.0")
        content = os.pread(loaded.ram, _SIZE, 0)
        assert len(content) == _SIZE
        assert content.count(b"guest") == 4
        assert content[500_001:500_006] == b"guest"
        with pytest.raises(PermissionError):
            os.pwrite(loaded.ram, b"x", 0)
    finally:
        os.close(loaded.ram)
    assert (stored / "ram").stat().st_blocks * 512 < _SIZE


def _overwrite(name: str, offset: int, content: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.seek(offset)
            file.write(content)

    return damage


def _manifest(**change: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: os.truncate(folder / "ram", _SIZE - 1),
        lambda folder: os.truncate(folder / "ram", 0),
        lambda folder: os.truncate(folder / "ram", _SIZE * 2),
        _overwrite("ram", 70_001, b"U"),
        _overwrite("ram", 300_000, b"new"),
        _overwrite("ram", 0, bytes(5)),
        _overwrite("state", 0, b"S"),
        lambda folder: os.truncate(folder / "state", 2),
        lambda folder: os.truncate(folder / "state", 1 << 30),
        lambda folder: (folder / "ram").unlink(),
        lambda folder: (folder / "state").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        _manifest(ram="0"),
        _manifest(memory_bytes=5),
    ],
)
def test_whatever_is_damaged_is_noticed(stored: Path, damage: Callable[[Path], object]) -> None:
    damage(stored)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(Damaged):
        template.load(stored)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_another_machine_has_another_template() -> None:
    provider = VirtualMachineProvider()
    names = {
        provider.shelf.key(provider.machine(Spec("vm", options=options)))
        for options in ({}, {"kernel": "6.1"}, {"guest_memory_bytes": 128 << 20})
    }
    assert len(names) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": "5.10"},
        {"kernel": 6},
        {"guest_memory_bytes": 1 << 20},
        {"guest_memory_bytes": "x"},
        {"disk": 1},
    ],
)
def test_what_is_not_offered_is_unavailable(options: dict[str, object]) -> None:
    with pytest.raises(Unavailable):
        VirtualMachineProvider().machine(Spec("vm", options=options))


def test_kvm_is_tried_once_and_tcg_is_what_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "kvm"
    monkeypatch.setattr(qemu, "KVM", str(device))
    tried: list[str] = []
    assert accelerator.choose(tmp_path, tried.append) == "tcg"
    assert tried == []
    device.touch()
    assert accelerator.read(tmp_path) is None
    assert [accelerator.choose(tmp_path, tried.append) for _ in range(2)] == ["kvm", "kvm"]
    assert tried == ["kvm"]
    file = tmp_path / "vm" / "accelerator.json"
    file.write_text(file.read_text().replace('"boot_id": "', '"boot_id": "x'))
    assert accelerator.read(tmp_path) is None

    def fail(name: str) -> None:
        raise StartFailed(name)

    assert accelerator.choose(tmp_path, fail) == "tcg"
    assert accelerator.read(tmp_path) == "tcg"


@pytest.mark.system
def test_a_damaged_template_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("kernels", "bin"):
        (cache / name).symlink_to(cache_dir() / name)
    guestfiles.folder(cache).parent.mkdir()
    guestfiles.folder(cache).symlink_to(guestfiles.folder(cache_dir()))
    monkeypatch.setenv("LASTMILE_CACHE", str(cache))
    provider = VirtualMachineProvider()
    machine = provider.machine(Spec("vm", options={"guest_memory_bytes": 128 << 20}))
    folder = provider.shelf.folder(machine)
    folder.mkdir(parents=True)
    (folder / "ram").write_bytes(b"half of it")
    (folder / "manifest.json").write_text('{"memory_bytes": 134217728}')
    sandbox = provider.start(Spec("vm", options={"guest_memory_bytes": 128 << 20}), lambda progress: None)
    try:
        assert sandbox.alive()
        assert int(sandbox.run("/bin/awk", "/MemTotal/ {print $2}", "/proc/meminfo").output) < 128 << 10
    finally:
        sandbox.close()
    loaded = template.load(folder)
    os.close(loaded.ram)


@pytest.mark.system
def test_what_the_files_were_unpacked_from_is_in_no_template(own_run: Path) -> None:
    provider = VirtualMachineProvider()
    machine = provider.machine(Spec("vm"))
    provider.shelf.get(machine)  # made, if it was not
    program = provider.shelf.mesh.read_bytes()
    piece = program[len(program) // 2 :][:64]
    assert program.count(piece) == 1
    with (provider.shelf.folder(machine) / "ram").open("rb") as file:
        found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        first = found.find(piece)
        assert first >= 0
        assert found.find(piece, first + 1) == -1
