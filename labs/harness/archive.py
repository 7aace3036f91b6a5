"""Uploads: zip and tar, read in memory as a stream with limits; nothing is ever unpacked to disk."""

from __future__ import annotations

import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from typing import IO

from labs.harness.events import Text
from labs.harness.submission import (
    MAX_ENTRIES,
    BadSubmission,
    Collector,
    Problem,
    Submission,
    check_name,
    from_files,
    ignored,
    too_many,
)

MAX_UPLOAD_BYTES = 4 * 1024 * 1024
MAX_UNPACKED_BYTES = 16 * 1024 * 1024  # also what is skipped counts: skipping unpacks too
MAX_RATIO = 200
# What stands before a file's own header: long names, times, attributes. Python 3.11 before 3.11.10 takes the square of
# its length to read (CVE-2024-6232).
MAX_EXTENSION_BYTES, MAX_EXTENSIONS_BYTES = 4 << 10, 128 << 10
_READ = 64 * 1024


class _Bomb(Exception):
    """More comes out than a submission can need."""


def read_archive(data: bytes, name: str) -> Submission:
    """The files of a .zip, .tar, .tar.gz or .tgz; told by content, `name` is for the message only.

    One folder around everything is taken off. Raises BadSubmission, and nothing else.
    """
    if len(data) > MAX_UPLOAD_BYTES:
        limit = MAX_UPLOAD_BYTES >> 20
        raise _refused(f"上传的文件超过 {limit} MiB", f"the upload exceeds {limit} MiB")
    try:
        if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return _without_top(read_zip(data))
        return _without_top(read_tar(data))
    except _Bomb:
        raise _refused(
            "压缩包解开后太大，不像是一份代码提交", "the archive unpacks to far more than a submission can be"
        ) from None


def read_zip(data: bytes) -> Submission:
    """The regular files of a zip. Raises BadSubmission."""
    taken, budget = Collector(), _Budget(len(data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAX_ENTRIES:
                raise BadSubmission([Problem("", too_many())])
            for member in members:
                _take_zipped(taken, archive, member, budget)
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        UnicodeError,
        IndexError,
        OverflowError,
    ):
        # zipfile raises all of these on damaged, encrypted or unknown input
        raise _refused(
            "压缩包已损坏、加密或格式未知", "the archive is damaged, encrypted or of an unknown format"
        ) from None
    return taken.finish()


def _take_zipped(
    taken: Collector, archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: _Budget
) -> None:
    name = member.filename
    # zipfile cuts at NUL and turns backslashes; the original says what was meant
    original = getattr(member, "orig_filename", name)
    if original.endswith("/") or (member.is_dir() and name.endswith("/")):
        wrong = check_name(original.rstrip("/"))
        return taken.refuse(original, wrong.zh, wrong.en) if wrong else None
    wrong = check_name(original)
    if wrong:
        return taken.refuse(original, wrong.zh, wrong.en)
    if ignored(name):
        return None
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return taken.refuse(name, "不是普通文件（链接或设备）", "not a regular file (a link or a device)")
    with archive.open(member) as stream:
        return _take_stream(taken, name, stream, budget)


class _Member(tarfile.TarInfo):
    """One whose extension headers are small."""

    def _proc_member(self, archive: _Archive) -> tarfile.TarInfo:
        """The one way to what the types of members mean, as tarfile has it for those who add to them."""
        if self.type in _EXTENSIONS:
            archive.extensions += self.size
            if self.size > MAX_EXTENSION_BYTES or archive.extensions > MAX_EXTENSIONS_BYTES:
                raise tarfile.ReadError("the headers are too long")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


class _Archive(tarfile.TarFile):
    tarinfo = _Member
    extensions = 0


_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def read_tar(data: bytes) -> Submission:
    """The regular files of a tar, compressed or not. Raises BadSubmission."""
    taken, budget = Collector(), _Budget(len(data))
    try:
        with _Archive.open(fileobj=_Counted(_unpacked(data), budget), mode="r|") as archive:
            for number, member in enumerate(archive):
                if number >= MAX_ENTRIES:
                    raise BadSubmission([Problem("", too_many())])
                _take_tarred(taken, archive, member)
    except (
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        ValueError,
        UnicodeError,
        OverflowError,
        IndexError,
        RecursionError,
    ):
        raise _refused("不是 zip 或 tar，或者已损坏", "not a zip or a tar, or damaged") from None
    return taken.finish()


def _take_tarred(taken: Collector, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    name = member.name.removeprefix("./")
    if member.isdir():
        wrong = None if name in ("", ".") else check_name(name.rstrip("/"))
        return taken.refuse(name, wrong.zh, wrong.en) if wrong else None
    wrong = check_name(name)
    if wrong:
        return taken.refuse(name, wrong.zh, wrong.en)
    if ignored(name):
        return None
    if not member.isreg():
        return taken.refuse(
            name, "不是普通文件（链接、设备或 FIFO）", "not a regular file (a link, a device or a FIFO)"
        )
    stream = archive.extractfile(member)
    if stream is None:
        return taken.refuse(name, "不可读", "not readable")
    with stream:
        content = stream.read(taken.room() + 1)
    return taken.too_big(name) if len(content) > taken.room() else taken.add(name, content)


def _take_stream(taken: Collector, name: str, stream: IO[bytes], budget: _Budget) -> None:
    content = bytearray()
    while part := stream.read(_READ):
        budget.spend(len(part))
        content += part
        if len(content) > taken.room():
            return taken.too_big(name)
    return taken.add(name, bytes(content))


class _Budget:
    """Counts what comes out of an archive, while it comes out."""

    def __init__(self, packed: int) -> None:
        self._left = min(MAX_UNPACKED_BYTES, max(packed, 4096) * MAX_RATIO)

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise _Bomb


class _Counted(io.RawIOBase):
    """A stream for tarfile that spends the budget."""

    def __init__(self, inner: io.RawIOBase | io.BytesIO, budget: _Budget) -> None:
        self._inner, self._budget = inner, budget

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        part = self._inner.read(min(size, _READ) if size >= 0 else _READ) or b""
        self._budget.spend(len(part))
        return part


def _unpacked(data: bytes) -> io.RawIOBase | io.BytesIO:
    """gzip is all that is told apart: xz and bzip2 are not offered."""
    if data[:2] != b"\x1f\x8b":
        return io.BytesIO(data)
    return _Gunzip(data)


class _Gunzip(io.RawIOBase):
    """Unpacks a bounded piece at a time (gzip.GzipFile has no bound on what one read inflates)."""

    def __init__(self, data: bytes) -> None:
        self._machine = zlib.decompressobj(wbits=31)
        self._rest = data

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        want = _READ if size < 0 else max(size, 1)
        part = self._machine.decompress(self._rest, want)
        self._rest = self._machine.unconsumed_tail
        if not part and not self._machine.eof:
            raise EOFError("the gzip stream is cut off")
        return part


def _without_top(submission: Submission) -> Submission:
    """Take off the one folder that archivers like to put around everything."""
    tops = {name.partition("/")[0] for name in submission.files}
    if len(tops) != 1 or any("/" not in name for name in submission.files):
        return submission
    # `api/` alone at the top is the learner's package, not a wrapper: only main.go's folder is one
    top = tops.pop()
    if f"{top}/main.go" not in submission.files and f"{top}/go.mod" not in submission.files:
        return submission
    return from_files({name.removeprefix(f"{top}/"): content for name, content in submission.files.items()})


def _refused(zh: str, en: str) -> BadSubmission:
    return BadSubmission([Problem("", Text(zh, en))])
