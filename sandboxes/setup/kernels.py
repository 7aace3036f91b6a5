"""The two kernels that tracers are graded on, as Debian signs and ships them.

Nothing is installed: the package is fetched by apt, which checks it, and unpacked into the cache. A
later kernel of the same series is taken when the cache is empty, never behind anybody's back.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandboxes import paths
from sandboxes.setup import command, debian
from sandboxes.setup.bzimage import vmlinux
from sandboxes.setup.kmodules import Modules
from sandboxes.setup.stamps import Stamp, digest, part_of
from sandboxes.setup.step import Say, SetupError

# virtio for the agent's channel; the rest is what tracers and traffic are made of
MODULES = ("virtio_pci", "virtio_console", "dummy", "veth", "sch_netem", "sch_prio", "tcp_diag", "tls")
# raised when what is taken out of a package, or the way it is laid out, changes
_LAYOUT = "1"


@dataclass(frozen=True)
class Kernel:
    """The step that brings one series. In its folder: vmlinux, release, package, modules/NN-NAME.ko."""

    series: str
    package: str

    @property
    def name(self) -> str:
        return f"Linux {self.series}"

    @property
    def folder(self) -> Path:
        return paths.cache_dir() / "kernels" / self.series

    @property
    def vmlinux(self) -> Path:
        return self.folder / "vmlinux"

    def modules(self) -> list[Path]:
        """In the order in which they are loaded."""
        return sorted((self.folder / "modules").glob("*.ko"))

    def release(self) -> str:
        """As `uname -r` says it in the guest."""
        return (self.folder / "release").read_text().strip()

    def key(self) -> str:
        """Names what is there, with the exact package."""
        return digest(self._wanted(), self.folder / "package")

    def _wanted(self) -> str:
        return digest(_LAYOUT, self.series, self.package, *MODULES)

    def done(self) -> bool:
        return self.vmlinux.is_file() and Stamp(self.folder / "stamp").matches(self._wanted())

    def run(self, say: Say) -> None:
        part = part_of(self.folder)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=".deb-") as scratch:
            package = newest(debian.names(f"linux-image-{self.series}.", say), self.package)
            say(f"apt-get download {package}")
            (archive,) = debian.download((package,), Path(scratch))
            say("unpacking")
            unpacked = Path(scratch) / "unpacked"
            command.run(["dpkg-deb", "-x", archive, unpacked], log=f"linux-{self.series}")
            self._take(unpacked, archive.name, part)
        shutil.rmtree(self.folder, ignore_errors=True)
        part.rename(self.folder)

    def _take(self, unpacked: Path, package: str, into: Path) -> None:
        images = list((unpacked / "boot").glob("vmlinuz-*"))
        if len(images) != 1:
            raise SetupError(f"{package} has {len(images)} kernels, not one")
        release = images[0].name.removeprefix("vmlinuz-")
        (into / "modules").mkdir(parents=True)
        (into / "vmlinux").write_bytes(vmlinux(images[0].read_bytes()))
        modules = Modules(unpacked / "lib" / "modules" / release)
        for number, (name, content) in enumerate(modules.in_order(MODULES)):
            (into / "modules" / f"{number:02}-{name}.ko").write_bytes(content)
        (into / "release").write_text(f"{release}\n")
        (into / "package").write_text(f"{package}\n")
        Stamp(into / "stamp").write(self._wanted())


SERIES = (
    Kernel("6.1", r"linux-image-6\.1\.0-(\d+)-cloud-amd64"),
    Kernel("6.12", r"linux-image-6\.12\.(\d+)\+deb12-cloud-amd64"),
)


def kernel(series: str) -> Kernel:
    """Raises KeyError for a series that is not offered."""
    return {k.series: k for k in SERIES}[series]


def newest(names: list[str], pattern: str) -> str:
    """The name with the highest number where `pattern` has its group. Raises SetupError when none fits."""
    fitting = [(int(match[1]), name) for name in names if (match := re.fullmatch(pattern, name))]
    if not fitting:
        raise SetupError(f"apt knows no package {pattern}", debian.BY_HAND)
    return max(fitting)[1]
