"""The guest's first and only file system: the agent, the modules and a shell.

Source of the format: Documentation/driver-api/early-userspace/buffer-format.rst, "newc".
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# What graders and learners type; busybox has more. Not wget: it looks up names, at which a static program crashes.
_APPLETS = """
awk cat chmod cp cut dd df dmesg echo env false find free grep head hostname id ip kill ln ls mkdir mkfifo mount mv nc
netstat poweroff ps pwd rm sed seq sh sleep sort sync tail tee test top touch tr true umount uname uniq wc xargs yes
"""
APPLETS = tuple(_APPLETS.split())
_ALIGN = 4
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    """`content` is a link's target for a link and empty for a folder."""

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(name: str, content: bytes, permissions: int = 0o644) -> Entry:
    return Entry(name, stat.S_IFREG | permissions, content)


def folder(name: str) -> Entry:
    return Entry(name, stat.S_IFDIR | 0o755)


def link(name: str, target: str) -> Entry:
    return Entry(name, stat.S_IFLNK | 0o777, target.encode())


def guest(
    agent: bytes, busybox: bytes, modules: Iterable[tuple[str, bytes]], programs: Iterable[Entry] = ()
) -> bytes:
    """The archive: the agent is /init, the modules are loaded in the order of their names. `programs` are files below
    folders that need not be there.
    """
    # the kernel opens /dev/console for the first process before there is a devtmpfs
    console = Entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    entries = [
        *(folder(name) for name in ("dev", "bin", "modules", "work")),
        console,
        file("init", agent, 0o755),
        file("bin/busybox", busybox, 0o755),
        *(link(f"bin/{applet}", "busybox") for applet in APPLETS),
        *(file(f"modules/{name}", content) for name, content in modules),
    ]
    return archive([*entries, *_with_folders(programs, {entry.name for entry in entries})])


def _with_folders(entries: Iterable[Entry], known: set[str]) -> Iterator[Entry]:
    """`entries`, each behind the folders that it lies in."""
    for entry in entries:
        parts = entry.name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            if name not in known:
                known.add(name)
                yield folder(name)
        yield entry


def archive(entries: Iterable[Entry]) -> bytes:
    """A cpio archive; the same bytes for the same entries."""
    numbered = enumerate([*entries, Entry(_TRAILER, 0)], start=1)
    return b"".join(part for number, entry in numbered for part in _encode(number, entry))


def _encode(number: int, entry: Entry) -> Iterator[bytes]:
    name = entry.name.encode() + b"\0"
    fields = (number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    yield head + bytes(-len(head) % _ALIGN)
    yield entry.content + bytes(-len(entry.content) % _ALIGN)
