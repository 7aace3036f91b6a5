"""Programs of Debian's in the machines that tracers are graded in: nginx and openssl, with their libraries.

They make traffic that no Go program made. A guest has no package manager and no disk: the files go into its first file
system, as they are in the packages.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sandboxes import paths
from sandboxes.setup import command, debian
from sandboxes.setup.stamps import Stamp, digest, part_of
from sandboxes.setup.step import Say, SetupError

_PACKAGES = ("nginx", "openssl", "libssl3", "libpcre2-8-0", "zlib1g", "libcrypt1", "libc6")
# from the packages' names to the guest's; libraries apart from the loader lie where nothing else looks
_LIBRARIES = ("libssl.so.3", "libcrypto.so.3", "libpcre2-8.so.0", "libz.so.1", "libcrypt.so.1", "libc.so.6")
_PROGRAMS = {"usr/sbin/nginx": "opt/mesh/nginx", "usr/bin/openssl": "opt/mesh/openssl"}
_LOADER = "lib64/ld-linux-x86-64.so.2"
# nginx looks its user up
_WRITTEN = {"etc/passwd": "root:x:0:0:root:/:/bin/sh\n", "etc/group": "root:x:0:\n"}
# raised when what is taken, or the way it is laid out, changes
_LAYOUT = "1"


def folder(cache: Path) -> Path:
    return cache / "vm" / "programs"


def stamp(cache: Path) -> Path:
    """A file that changes with what the guest gets."""
    return folder(cache) / "packages"


def files(cache: Path) -> Iterator[tuple[str, Path]]:
    """Each file by its name in the guest, without the slash that it begins with."""
    root = folder(cache) / "files"
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(root)), path


class GuestPrograms:
    """<cache>/vm/programs: files/, packages (which they came from), stamp. Renamed into place as a whole."""

    name = "nginx and openssl for virtual machines"

    def _stamp(self) -> Stamp:
        return Stamp(folder(paths.cache_dir()) / "stamp")

    def _wanted(self) -> str:
        return digest(_LAYOUT, *_PACKAGES, *_LIBRARIES, *_PROGRAMS, *_WRITTEN)

    def done(self) -> bool:
        return stamp(paths.cache_dir()).is_file() and self._stamp().matches(self._wanted())

    def run(self, say: Say) -> None:
        final = folder(paths.cache_dir())
        part = part_of(final)
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=final.parent, prefix=".deb-") as scratch:
            debian.names("nginx", say)
            say(f"apt-get download {' '.join(_PACKAGES)}")
            archives = debian.download(_PACKAGES, Path(scratch))
            unpacked = Path(scratch) / "unpacked"
            for archive in archives:
                command.run(["dpkg-deb", "-x", archive, unpacked], log="guest-programs")
            take(unpacked, part / "files")
            (part / "packages").write_text("".join(f"{archive.name}\n" for archive in archives))
            Stamp(part / "stamp").write(self._wanted())
        shutil.rmtree(final, ignore_errors=True)
        part.rename(final)


def take(unpacked: Path, into: Path) -> None:
    """Copy what the guest needs of packages that were unpacked together. Raises SetupError."""
    found = {path.name: path for path in sorted(unpacked.rglob("*.so.*")) if path.is_file()}
    chosen = {name: unpacked / name for name in _PROGRAMS}
    missing = [name for name, path in chosen.items() if not path.is_file()]
    missing += [name for name in (*_LIBRARIES, Path(_LOADER).name) if name not in found]
    if missing:
        raise SetupError(f"the packages do not have {', '.join(missing)}")
    for name, path in chosen.items():
        _copy(path, into / _PROGRAMS[name])
    for name in _LIBRARIES:
        _copy(found[name], into / "opt" / "mesh" / "lib" / name)
    _copy(found[Path(_LOADER).name], into / _LOADER)
    for name, text in _WRITTEN.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_text(text)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)
