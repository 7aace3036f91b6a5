"""etcd, kube-apiserver, kube-controller-manager and kubectl: the official release, or built from modules.

A release file is used only where its SHA-256 is pinned in `pins/kubernetes.sha256`. Everything else is
built from `sandboxes/kubernetes`, whose go.mod and go.sum pin every module.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from sandboxes import paths
from sandboxes.setup import command, download, golang
from sandboxes.setup.stamps import Stamp, digest, part_of
from sandboxes.setup.step import Say, SetupError

VERSION = "v1.36.3"
ETCD_VERSION = "v3.6.8"
MIRROR = "LASTMILE_K8S_MIRROR"
_RELEASE = "https://dl.k8s.io"
_ETCD_RELEASE = "https://github.com/etcd-io"
_PINS = Path(__file__).with_name("pins") / "kubernetes.sha256"
MODULE = Path(__file__).parents[1] / "kubernetes"
_COMPONENT = "k8s.io/component-base/version"
_FLAGS = "-s -w " + " ".join(
    f"-X {_COMPONENT}.{name}={value}"
    for name, value in {
        "gitVersion": VERSION,
        "gitMajor": "1",
        "gitMinor": "36",
        "gitTreeState": "clean",
    }.items()
)


def folder() -> Path:
    """Where the four binaries are."""
    return paths.cache_dir() / "kubernetes" / VERSION


@dataclass(frozen=True)
class Release:
    """Where a binary is found in the official release, below the base address of a mirror."""

    path: str
    base: str
    member: str = ""

    def url(self) -> str | None:
        """None where downloads are switched off."""
        mirror = os.environ.get(MIRROR, "")
        if mirror == "off":
            return None
        return f"{mirror.rstrip('/')}/{self.path}" if mirror else self._official()

    def _official(self) -> str:
        # etcd's own release has one folder more than a mirror needs to have.
        return f"{self.base}/{self.path.replace('etcd/', 'etcd/releases/download/', 1)}"


@dataclass(frozen=True)
class Binary:
    """The step that brings one of them."""

    program: str
    package: str
    says: str
    minutes: str
    release: Release
    asked: tuple[str, ...] = ("--version",)

    @property
    def name(self) -> str:
        return f"{self.program} {ETCD_VERSION if self.program == 'etcd' else VERSION}"

    @property
    def path(self) -> Path:
        return folder() / self.program

    def done(self) -> bool:
        return os.access(self.path, os.X_OK) and any(self._stamp().matches(key) for key in self._keys())

    def run(self, say: Say) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = part_of(self.path)
        part.unlink(missing_ok=True)
        self._stamp().clear()
        official = self._fetch(part, say)
        if not official:
            self._build(part, say)
        self._check(part)
        part.replace(self.path)
        self._stamp().write(self._pinned() if official else self._source_key())

    def _stamp(self) -> Stamp:
        return Stamp(self.path.with_name(f".{self.program}.stamp"))

    def _source_key(self) -> str:
        sources = [MODULE / "go.mod", MODULE / "go.sum", MODULE / "tools.go"]
        return digest(golang.VERSION, _FLAGS, self.package, sources)

    def _keys(self) -> list[str]:
        return [key for key in (self._source_key(), self._pinned()) if key]

    def _pinned(self) -> str:
        return download.pins(_PINS).get(self.release.path, "")

    def _fetch(self, into: Path, say: Say) -> bool:
        """Whether the official file is now at `into`."""
        url, pinned = self.release.url(), self._pinned()
        if not url or not pinned:
            return False
        say(f"asking {url}")
        archive = into.with_suffix(".download")
        try:
            download.fetch(url, pinned, archive, say)
        except download.Unreachable as error:
            say(f"the official release is not reachable ({error}); building from source instead")
            return False
        try:
            _extract(archive, self.release.member, into)
        finally:
            archive.unlink(missing_ok=True)
        return True

    def _build(self, into: Path, say: Say) -> None:
        if not golang.GoToolchain().done():
            raise SetupError(f"building {self.program} needs the Go toolchain first", "make setup")
        say(f"building from source ({self.minutes} on two cores the first time)")
        every = Listed(say)
        command.run(
            [golang.go(), "list", "-deps", self.package],
            log=f"{self.program}-list",
            cwd=MODULE,
            env=golang.environment(),
            on_line=every,
            remedy="check that the Go module proxy is reachable (GOPROXY)",
        )
        build: list[str | Path] = [
            golang.go(),
            "build",
            "-v",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            _FLAGS,
        ]
        command.run(
            [*build, "-o", into, self.package],
            log=self.program,
            cwd=MODULE,
            env=golang.environment(),
            on_line=Compiled(say, every.packages),
            remedy="run it again: what was compiled is kept. It needs the Go module proxy and 6 GB of disk",
        )

    def _check(self, part: Path) -> None:
        """Ask the binary who it is before anybody else gets to see it."""
        part.chmod(0o755)
        try:
            asked = subprocess.run([part, *self.asked], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SetupError(f"{self.program} does not run on this machine: {error}") from error
        if self.says not in asked.stdout:
            raise SetupError(f"{self.program} calls itself {asked.stdout.strip()!r}, expected {self.says!r}")


class Listed:
    """Counts what `go list -deps` prints; the modules that it needs are downloaded on the way."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._modules = 0
        self.packages = 0

    def __call__(self, line: str) -> None:
        if line.startswith("go: downloading"):
            self._modules += 1
            self._say(f"{self._modules} modules downloaded")
        else:
            self.packages += 1


class Compiled:
    """Turns what `go build -v` prints into progress. What is in the cache already is not printed."""

    def __init__(self, say: Say, at_most: int = 0) -> None:
        self._say = say
        self._of = f" of at most {at_most}" if at_most else ""
        self._packages = 0

    def __call__(self, line: str) -> None:
        if line and " " not in line:
            self._packages += 1
            self._say(f"{self._packages}{self._of} packages compiled")


def _extract(archive: Path, member: str, into: Path) -> None:
    """The one file that we want; names in the archive never become paths of ours."""
    if not member:
        archive.replace(into)
        return
    with tarfile.open(archive) as bundle:
        source = bundle.extractfile(member)
        if source is None:
            raise SetupError(f"no {member} in the archive")
        with source, into.open("wb") as out:
            while chunk := source.read(1 << 20):
                out.write(chunk)


def _arch() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def binaries() -> list[Binary]:
    """In the order in which the shared packages are compiled once."""
    arch = _arch()
    etcd = f"etcd-{ETCD_VERSION}-linux-{arch}"
    where = f"{VERSION}/bin/linux/{arch}"

    def kube(program: str, minutes: str) -> Binary:
        release = Release(f"{where}/{program}", _RELEASE)
        package = f"k8s.io/kubernetes/cmd/{program}"
        if program == "kubectl":
            asked = ("version", "--client")
            return Binary(program, package, f"Client Version: {VERSION}", minutes, release, asked)
        return Binary(program, package, f"Kubernetes {VERSION}", minutes, release)

    return [
        Binary(
            "etcd",
            "go.etcd.io/etcd/server/v3",
            f"etcd Version: {ETCD_VERSION.removeprefix('v')}",
            "about a minute",
            Release(f"etcd/{ETCD_VERSION}/{etcd}.tar.gz", _ETCD_RELEASE, f"{etcd}/etcd"),
        ),
        kube("kube-apiserver", "about 5 minutes"),
        kube("kube-controller-manager", "about 80 seconds"),
        kube("kubectl", "about 30 seconds"),
    ]
