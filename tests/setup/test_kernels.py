"""The kernels out of Debian's packages, with images and modules of a few bytes."""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sandboxes.setup import bzimage, debian, kernels, kmodules
from sandboxes.setup.step import SetupError

_KERNEL = b"\x7fELF" + bytes(range(256)) * 20


def _tool(*argv: str) -> Callable[[bytes], bytes]:
    return lambda content: subprocess.run(argv, input=content, capture_output=True, check=True).stdout


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lambda content: lzma.compress(content, check=lzma.CHECK_CRC32) + struct.pack("<I", len(content)),
    "zstd": lambda content: _tool("zstd", "-cq")(content) + struct.pack("<I", len(content)),
    "lz4": lambda content: _tool("lz4", "-l", "-c", "-q")(content) + struct.pack("<I", len(content)),
}


def _image(payload: bytes, sectors: int = 3, offset: int = 100) -> bytes:
    """A boot image whose setup has `sectors` of 512 bytes after its first."""
    head = bytearray((sectors + 1) * 512 + offset)
    head[0x1F1] = sectors
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, 0x20F)
    struct.pack_into("<II", head, 0x248, offset, len(payload))
    return bytes(head) + payload + b"what follows"


@pytest.mark.parametrize("packer", PACKERS)
def test_it_works(packer: str) -> None:
    assert bzimage.vmlinux(_image(PACKERS[packer](_KERNEL))) == _KERNEL


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "not an x86 boot image"),
        (bytes(5000), "not an x86 boot image"),
        (_image(gzip.compress(_KERNEL))[:-200], "cut off"),
        (_image(b"BZh9 and more of it"), "not known"),
        (_image(gzip.compress(b"no ELF file")), "does not unpack"),
        (_image(gzip.compress(_KERNEL)[:-30] + bytes(30)), "does not unpack"),
    ],
)
def test_what_is_no_kernel_is_refused(image: bytes, reason: str) -> None:
    with pytest.raises(SetupError, match=reason):
        bzimage.vmlinux(image)


def _module(*needs: str) -> bytes:
    return b"\x7fELF...\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0"


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "lib"
    (folder / "kernel" / "net").mkdir(parents=True)
    (folder / "kernel" / "tcp_diag.ko").write_bytes(_module("inet-diag", "virtio"))
    (folder / "kernel" / "net" / "inet_diag.ko.xz").write_bytes(lzma.compress(_module()))
    (folder / "kernel" / "virtio-rng.ko").write_bytes(_module("virtio", "inet_diag"))
    (folder / "modules.builtin").write_text("kernel/drivers/virtio/virtio.ko\n")
    return folder


def test_modules_come_after_what_they_need(modules: Path) -> None:
    found = kmodules.Modules(modules).in_order(("tcp_diag", "virtio_rng", "virtio"))
    assert [name for name, _ in found] == ["inet_diag", "tcp_diag", "virtio_rng"]
    assert found[0][1] == _module()


def test_modules_that_are_missing_or_go_in_a_circle_are_named(modules: Path) -> None:
    with pytest.raises(SetupError, match="no module netem"):
        kmodules.Modules(modules).in_order(("netem",))
    (modules / "kernel" / "virtio-rng.ko").write_bytes(_module("tcp_diag"))
    (modules / "kernel" / "tcp_diag.ko").write_bytes(_module("virtio_rng"))
    with pytest.raises(SetupError, match="circle"):
        kmodules.Modules(modules).in_order(("tcp_diag",))
    (modules / "kernel" / "net" / "inet_diag.ko.xz").write_bytes(b"not xz")
    with pytest.raises(SetupError, match="does not unpack"):
        kmodules.Modules(modules).read("inet_diag")


def test_the_newest_of_a_series_is_taken() -> None:
    names = [
        *("linux-image-6.1.0-9-cloud-amd64", "linux-image-6.1.0-56-cloud-amd64"),
        *("linux-image-6.1.0-57-cloud-amd64-unsigned", "linux-image-6.1.0-99-amd64"),
        *("linux-image-6.12.9+deb12-cloud-amd64", "linux-image-6.12.117+deb12-cloud-amd64"),
    ]
    found = [kernels.newest(names, kernel.package) for kernel in kernels.SERIES]
    assert found == ["linux-image-6.1.0-56-cloud-amd64", "linux-image-6.12.117+deb12-cloud-amd64"]
    with pytest.raises(SetupError, match="apt knows no package") as failure:
        kernels.newest([], kernels.SERIES[0].package)
    assert "bookworm" in failure.value.remedy


def _package(packages: Sequence[str], into: Path) -> list[Path]:
    """What apt would fetch, made here."""
    tree = into / "tree"
    release = "6.1.0-9-cloud-amd64"
    assert list(packages) == [f"linux-image-{release}"]
    (tree / "boot").mkdir(parents=True)
    (tree / "boot" / f"vmlinuz-{release}").write_bytes(_image(gzip.compress(_KERNEL)))
    folder = tree / "lib" / "modules" / release
    folder.mkdir(parents=True)
    for name in kernels.MODULES:
        (folder / f"{name}.ko").write_bytes(_module("virtio" if name.startswith("virtio_") else ""))
    (folder / "virtio.ko").write_bytes(_module())
    (tree / "DEBIAN").mkdir()
    control = "Package: small\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: small\n"
    (tree / "DEBIAN" / "control").write_text(control)
    subprocess.run(["dpkg-deb", "-b", tree, into / "small.deb"], check=True, capture_output=True)
    return [into / "small.deb"]


@pytest.fixture
def small(cache: Path, monkeypatch: pytest.MonkeyPatch) -> kernels.Kernel:
    """A series whose package is made here."""
    monkeypatch.setattr(debian, "names", lambda prefix, say: [f"{prefix}0-9-cloud-amd64"])
    monkeypatch.setattr(debian, "download", _package)
    return kernels.Kernel("6.1", kernels.SERIES[0].package)


def test_a_package_becomes_a_folder_that_is_whole_or_not_there(
    small: kernels.Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = small
    assert not step.done()
    step.run(lambda _: None)
    assert step.done()
    assert step.vmlinux.read_bytes() == _KERNEL
    assert step.release() == "6.1.0-9-cloud-amd64"
    assert (step.folder / "package").read_text() == "small.deb\n"
    assert [path.name for path in step.modules()][:2] == ["00-virtio.ko", "01-virtio_pci.ko"]
    assert sorted(p.name for p in step.folder.parent.iterdir()) == ["6.1"]
    monkeypatch.setattr(kernels, "MODULES", ("dummy",))
    assert not step.done()


def test_killed_half_way_it_is_still_to_do(small: kernels.Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    step = small

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kernels, "Modules", stop)
        with pytest.raises(KeyboardInterrupt):
            step.run(lambda _: None)
    assert not step.done()
    step.run(lambda _: None)
    assert step.done()
