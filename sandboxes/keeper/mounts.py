"""The files a jail sees, laid out by the keeper in a mount namespace of its own.

Sources are opened before anything is mounted and bound from their descriptors into one staging tmpfs, so
that the jail's uid needs no way to them (a checkout below /root works). All of it ends with the namespace.
"""

import os
import stat
from typing import Any

from sandboxes.keeper import linux

# present on every Debian; covered only inside the keeper's own mount namespace
STAGE = "/mnt"
_INODES = 20_000


def lay_out(spec: dict[str, Any], files: dict[str, bytes]) -> list[str]:
    """Mount all that `spec` names and return bubblewrap's arguments for it."""
    binds = [(_pin(source), dest) for source, dest in spec["binds"]]
    overlays = [(_pin(o["lower"]), o) for o in spec["overlays"]]
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    size = spec["limits"]["disk_bytes"]
    options = f"mode=0755,size={size},nr_inodes={_INODES}"
    linux.mount("tmpfs", STAGE, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
    arguments: list[str] = []
    # before the binds, or they would cover one that goes below /tmp
    for name in ("tmp", "work"):
        _own_folder(f"{STAGE}/{name}", spec["uid"])
        arguments += ["--bind", f"{STAGE}/{name}", f"/{name}"]
    for number, (fd, dest) in enumerate(binds):
        arguments += ["--ro-bind", _bind(fd, f"{STAGE}/bind{number}"), dest]
    for number, (fd, overlay) in enumerate(overlays):
        arguments += [
            "--bind",
            _overlay(fd, f"{STAGE}/overlay{number}", overlay, spec["uid"]),
            overlay["dest"],
        ]
    for number, path in enumerate(spec["devices"]):
        arguments += ["--dev-bind", _device(path, f"{STAGE}/device{number}", spec), path]
    _write_files(f"{STAGE}/work", files, spec["uid"])
    return arguments


def _pin(source: str) -> int:
    return os.open(source, os.O_PATH)


def _bind(fd: int, target: str) -> str:
    if os.path.isdir(f"/proc/self/fd/{fd}"):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    linux.mount(f"/proc/self/fd/{fd}", target, flags=linux.MS_BIND | linux.MS_REC)
    return target


def _device(path: str, base: str, spec: dict[str, Any]) -> str:
    """A node for this jail's uid alone, so that the host's own keeps its rights; without root, the host's own."""
    if not spec["root"]:
        return path
    number = os.stat(path).st_rdev
    os.mkdir(base)
    linux.mount("tmpfs", base, "tmpfs", linux.MS_NOSUID, "mode=0755,size=4k")
    node = f"{base}/node"
    os.mknod(node, 0o600 | stat.S_IFCHR, number)
    os.chown(node, spec["uid"], spec["uid"])
    return node


def _overlay(lower: int, base: str, overlay: dict[str, Any], uid: int) -> str:
    """A folder over a read-only one. The uid owns its top and first level, and so can write a Go build cache."""
    upper, work, merged = (f"{base}/{x}" for x in ("upper", "work", "merged"))
    os.mkdir(base, 0o755)
    for folder in (upper, work, merged):
        _own_folder(folder, uid)
    with os.scandir(f"/proc/self/fd/{lower}") as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _own_folder(f"{upper}/{entry.name}", uid)
    for name, text in overlay["seed"].items():
        _check(name)
        _own_file(f"{upper}/{name}", text.encode(), uid)
    data = f"lowerdir=/proc/self/fd/{lower},upperdir={upper},workdir={work}"
    linux.mount("overlay", merged, "overlay", linux.MS_NOSUID | linux.MS_NODEV, data)
    return merged


def _write_files(top: str, files: dict[str, bytes], uid: int) -> None:
    for name, content in files.items():
        _check(name)
        folder = top
        for part in name.split("/")[:-1]:
            folder = f"{folder}/{part}"
            if not os.path.isdir(folder):
                _own_folder(folder, uid)
        _own_file(f"{top}/{name}", content, uid)


def _check(name: str) -> None:
    """The last line before root writes: no name may lead out of the jail's tmpfs."""
    if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file below a jail's folder")


def _own_folder(path: str, uid: int) -> None:
    os.mkdir(path, 0o755)
    os.chown(path, uid, uid)


def _own_file(path: str, content: bytes, uid: int) -> None:
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o644)
    with os.fdopen(fd, "wb") as f:
        f.write(content)
        os.fchown(fd, uid, uid)
