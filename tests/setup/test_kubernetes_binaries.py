"""Official release or built: with a mirror on loopback and a real Go build of a small program."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from sandboxes.setup import download, kubernetes
from sandboxes.setup.step import SetupError

KUBECTL = b"#!/bin/sh\necho 'Client Version: v1.36.3'\n"
ETCD = b"#!/bin/sh\necho 'etcd Version: 3.6.8'\n"
GO = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("Client Version: v1.36.3", "built") }\n'
Mirror = tuple[Path, str]


def _silent(_: str) -> None:
    """No progress."""


def _binary(program: str) -> kubernetes.Binary:
    return next(binary for binary in kubernetes.binaries() if binary.program == program)


def _pin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str, content: bytes) -> None:
    pins = tmp_path / "pins"
    pins.write_text(f"{hashlib.sha256(content).hexdigest()}  {path}\n")
    monkeypatch.setattr(kubernetes, "_PINS", pins)


def _serve(folder: Path, path: str, content: bytes) -> None:
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_bytes(content)


@pytest.fixture
def kubectl(
    mirror: Mirror, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> kubernetes.Binary:
    """Pinned to KUBECTL, which nobody serves yet."""
    binary = _binary("kubectl")
    _pin(monkeypatch, tmp_path, binary.release.path, KUBECTL)
    monkeypatch.setenv("LASTMILE_K8S_MIRROR", mirror[1] + "/")
    return binary


@pytest.fixture
def small_module(tmp_path: Path, toolchain: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for sandboxes/kubernetes: a module that is built in a second."""
    module = tmp_path / "module"
    (module / "cmd").mkdir(parents=True)
    (module / "go.mod").write_text("module k8s.io/kubernetes/cmd/kubectl\n\ngo 1.26.0\n")
    (module / "main.go").write_text(GO)
    monkeypatch.setattr(kubernetes, "MODULE", module)
    return module


def test_it_works(kubectl: kubernetes.Binary, mirror: Mirror) -> None:
    _serve(mirror[0], kubectl.release.path, KUBECTL)
    assert not kubectl.done()
    kubectl.run(_silent)
    assert kubectl.done()
    assert kubectl.path.read_bytes() == KUBECTL
    assert sorted(path.name for path in kubectl.path.parent.iterdir()) == [".kubectl.stamp", "kubectl"]


def test_a_wrong_checksum_stops_and_builds_nothing(kubectl: kubernetes.Binary, mirror: Mirror) -> None:
    _serve(mirror[0], kubectl.release.path, KUBECTL + b"# evil\n")
    with pytest.raises(download.WrongChecksum):
        kubectl.run(_silent)
    assert not kubectl.done()
    assert not [path.name for path in kubectl.path.parent.iterdir()]


def test_etcd_is_taken_out_of_its_archive(
    mirror: Mirror, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd = _binary("etcd")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as bundle:
        for name, content in ((etcd.release.member, ETCD), ("../../escaped", b"no")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    _pin(monkeypatch, tmp_path, etcd.release.path, packed.getvalue())
    _serve(mirror[0], etcd.release.path, packed.getvalue())
    monkeypatch.setenv("LASTMILE_K8S_MIRROR", mirror[1])
    etcd.run(_silent)
    assert etcd.done()
    assert etcd.path.read_bytes() == ETCD
    assert not [*tmp_path.rglob("escaped")]


def test_what_the_mirror_does_not_have_is_built(kubectl: kubernetes.Binary, small_module: Path) -> None:
    said: list[str] = []
    kubectl.run(said.append)
    assert kubectl.done()
    assert any("not reachable" in line for line in said)
    assert kubectl.path.read_bytes()[:4] == b"\x7fELF"


def test_an_unpinned_file_is_never_asked_for(
    kubectl: kubernetes.Binary, mirror: Mirror, small_module: Path, tmp_path: Path
) -> None:
    (tmp_path / "pins").write_text("")
    _serve(mirror[0], kubectl.release.path, KUBECTL)
    said: list[str] = []
    kubectl.run(said.append)
    assert not any("asking" in line for line in said)
    assert kubectl.path.read_bytes()[:4] == b"\x7fELF"


def test_off_builds_without_asking(
    kubectl: kubernetes.Binary, small_module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LASTMILE_K8S_MIRROR", "off")
    assert kubectl.release.url() is None
    kubectl.run(_silent)
    assert kubectl.done()


def test_a_build_is_done_again_when_its_inputs_change(kubectl: kubernetes.Binary, small_module: Path) -> None:
    kubectl.run(_silent)
    assert kubectl.done()
    (small_module / "go.sum").write_text("\n")
    assert not kubectl.done()


def test_a_binary_without_its_stamp_is_not_done(kubectl: kubernetes.Binary, mirror: Mirror) -> None:
    _serve(mirror[0], kubectl.release.path, KUBECTL)
    kubectl.run(_silent)
    (kubectl.path.parent / ".kubectl.stamp").unlink()
    assert not kubectl.done()


def test_an_impostor_is_not_put_in_place(kubectl: kubernetes.Binary, small_module: Path) -> None:
    (small_module / "main.go").write_text(GO.replace("v1.36.3", "v1.35.0"))
    with pytest.raises(SetupError, match="expected 'Client Version"):
        kubectl.run(_silent)
    assert not kubectl.path.exists()


def test_a_build_that_fails_says_why(kubectl: kubernetes.Binary, small_module: Path, cache: Path) -> None:
    (small_module / "main.go").write_text("package main\n\nfunc main() { nothing() }\n")
    with pytest.raises(SetupError, match="undefined: nothing") as caught:
        kubectl.run(_silent)
    assert "run it again" in caught.value.remedy
    assert "undefined: nothing" in (cache / "log" / "kubectl.log").read_text()


def test_without_go_it_says_what_comes_first(kubectl: kubernetes.Binary, cache: Path) -> None:
    shutil.rmtree(cache, ignore_errors=True)
    with pytest.raises(SetupError, match="needs the Go toolchain"):
        kubectl.run(_silent)


def test_the_official_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LASTMILE_K8S_MIRROR")
    urls = [binary.release.url() or "" for binary in kubernetes.binaries()]
    assert all(
        url.startswith(("https://dl.k8s.io/v1.36.3/bin/linux/", "https://github.com/etcd-io/etcd/releases/"))
        for url in urls
    )


def test_progress_says_how_far_it_is() -> None:
    said: list[str] = []
    listed = kubernetes.Listed(said.append)
    for line in ("go: downloading k8s.io/api v0.36.3", "errors", "k8s.io/api/core/v1"):
        listed(line)
    compiled = kubernetes.Compiled(said.append, listed.packages)
    for line in ("errors", "# a warning of the compiler", "k8s.io/api/core/v1"):
        compiled(line)
    assert said == [
        "1 modules downloaded",
        "1 of at most 2 packages compiled",
        "2 of at most 2 packages compiled",
    ]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_official_file_of_each_is_pinned(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes.platform, "machine", lambda: machine)
    pinned = download.pins(kubernetes._PINS)
    paths = [binary.release.path for binary in kubernetes.binaries()]
    assert [path for path in paths if not re.fullmatch("[0-9a-f]{64}", pinned.get(path, ""))] == []
