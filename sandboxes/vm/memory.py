"""The memory of a template: on disk a file with holes, in use a sealed memory file that all its machines share.

QEMU opens its memory's file for writing even where it only maps it privately, so a read-only bind is refused.
A memory file that is sealed against writing lets it open and map, and no QEMU, taken over or not, can change
one byte of what the others run on: the seals cannot be taken off again (man 2 fcntl, "File Sealing").
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_BLOCK = 64 << 10
_ZERO = bytes(_BLOCK)


def create(size: int) -> int:
    """An empty memory file of `size` bytes, which a machine may write to; closed on exec."""
    fd = os.memfd_create("guest-memory", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    return fd


def seal(fd: int) -> None:
    """Nobody changes it any more. Raises OSError while somebody has it mapped for writing."""
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)


@contextlib.contextmanager
def holding(content: bytes) -> Iterator[int]:
    """A file in memory with `content`, to be read from its beginning."""
    fd = os.memfd_create("guest-state", os.MFD_CLOEXEC)
    try:
        os.pwrite(fd, content, 0)
        yield fd
    finally:
        os.close(fd)


def store(fd: int, path: Path) -> str:
    """Write the memory to `path`, zeros as holes. Returns its digest."""
    sha = hashlib.sha256()
    with path.open("wb") as out:
        out.truncate(os.fstat(fd).st_size)
        for offset, block in _blocks(fd):
            _feed(sha, offset, block)
            os.pwrite(out.fileno(), block, offset)
        os.fsync(out.fileno())
    return sha.hexdigest()


def load(path: Path) -> tuple[int, str]:
    """A sealed memory file with the content of `path`, and its digest. Raises OSError."""
    sha = hashlib.sha256()
    with path.open("rb") as source:
        fd = create(os.fstat(source.fileno()).st_size)
        try:
            for offset, block in _blocks(source.fileno()):
                _feed(sha, offset, block)
                os.pwrite(fd, block, offset)
            seal(fd)
        except BaseException:
            os.close(fd)
            raise
    return fd, sha.hexdigest()


def _feed(sha: hashlib._Hash, offset: int, block: bytes) -> None:
    sha.update(b"%d:%d:" % (offset, len(block)))
    sha.update(block)


def _blocks(fd: int) -> Iterator[tuple[int, bytes]]:
    """The blocks that are not zero, wherever the filesystem has its holes."""
    size, offset = os.fstat(fd).st_size, 0
    while offset < size:
        try:
            offset = os.lseek(fd, offset, os.SEEK_DATA) // _BLOCK * _BLOCK
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        hole = os.lseek(fd, offset, os.SEEK_HOLE)
        # data may begin within the block, whose first part then is a hole
        hole = max(hole, offset + 1)
        while offset < hole:
            block = os.pread(fd, _BLOCK, offset)
            if block != _ZERO[: len(block)]:
                yield offset, block
            offset += _BLOCK
