"""Uploads, friendly and hostile."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import tracemalloc
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness import archive, submission
from labs.harness.submission import BadSubmission, Submission

MAIN = b"package main\n\nfunc main() {}\n"


def zipped(files: dict[str, bytes], mode: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(info, content)
    return out.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], compress: bool = False) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as bundle:
        for info, content in members:
            info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue()) if compress else out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def problems(data: bytes) -> list[submission.Problem]:
    with pytest.raises(BadSubmission) as caught:
        archive.read_archive(data, "upload")
    return caught.value.problems


def test_it_works() -> None:
    files = {"main.go": MAIN, "api/v1/types.go": b"package v1\n"}
    expected = Submission(dict(sorted(files.items())))
    assert archive.read_archive(zipped(files), "a.zip") == expected
    pairs = [(member(name), content) for name, content in files.items()]
    assert archive.read_archive(tarred(*pairs), "a.tar") == expected
    assert archive.read_archive(tarred(*pairs, compress=True), "a.tgz") == expected


def test_one_folder_around_everything_is_taken_off() -> None:
    found = archive.read_archive(
        zipped({"mine/main.go": MAIN, "mine/api/v1/types.go": b"package v1\n"}), "a.zip"
    )
    assert sorted(found.files) == ["api/v1/types.go", "main.go"]
    assert sorted(archive.read_archive(zipped({"api/v1/types.go": MAIN}), "a.zip").files) == [
        "api/v1/types.go"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "../main.go",
        "a/../../main.go",
        "/etc/passwd",
        "C:/x.go",
        "a\\b.go",
        "a/./b.go",
        "a//b.go",
        "x" * 4096,
        "/".join("d" * 12) + "/x.go",
        "evil\u202e.go",
        "bell\x07.go",
        "zero\u200bwidth.go",
    ],
)
def test_hostile_names_are_refused(name: str) -> None:
    for data in (zipped({name: MAIN}), tarred((member(name), MAIN))):
        [problem] = problems(data)
        assert problem.text.zh
        assert problem.file.isprintable()
        assert len(problem.file) < 200


def test_a_name_with_nul_is_refused() -> None:
    data = zipped({"mainX.go": MAIN}).replace(b"mainX.go", b"main\0.go")
    assert problems(data)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_and_devices_are_refused(kind: bytes) -> None:
    [problem] = problems(tarred((member("main.go", kind, "/etc/passwd"), b"")))
    assert "not a regular file" in problem.text.en


def test_a_symlink_in_a_zip_is_refused() -> None:
    [problem] = problems(zipped({"main.go": b"/etc/passwd"}, mode=0o120777))
    assert "not a regular file" in problem.text.en


def test_a_bomb_is_stopped_while_it_unpacks() -> None:
    zeros = b"\0" * (64 << 20)
    bombs = [
        zipped({f"f{n}.go": b"\0" * (8 << 20) for n in range(8)}),
        zipped({"skipped/.git/x": b"", "main.go": zeros}),
        tarred((member("main.go"), zeros), compress=True),
    ]
    for bomb in bombs:
        tracemalloc.start()
        assert problems(bomb)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 24 << 20, "it unpacked more than it may hold"


def test_ten_thousand_files_are_too_many() -> None:
    [problem] = problems(zipped({f"f{n}.go": b"" for n in range(10_000)}))
    assert "too many files" in problem.text.en


def test_a_file_that_is_there_twice_is_refused() -> None:
    [problem] = problems(tarred((member("main.go"), MAIN), (member("main.go"), b"other")))
    assert "twice" in problem.text.en


def test_an_encrypted_or_damaged_archive_is_told() -> None:
    good = zipped({"main.go": MAIN})
    assert problems(good[: len(good) // 2])
    assert problems(good.replace(b"PK\x01\x02", b"PK\x01\x03"))
    assert problems(b"not an archive at all")
    assert problems(gzip.compress(tarred((member("main.go"), MAIN)))[:-20])


def test_an_empty_archive_holds_nothing() -> None:
    assert dict(archive.read_archive(zipped({}), "a.zip").files) == {}


def test_an_upload_that_is_too_big_is_not_looked_at() -> None:
    [problem] = problems(b"PK\x03\x04" + bytes(archive.MAX_UPLOAD_BYTES))
    assert "exceeds 4 MiB" in problem.text.en


@given(st.binary(max_size=2000))
def test_noise_is_refused_or_read_but_never_raises_anything_else(noise: bytes) -> None:
    for data in (noise, b"PK\x03\x04" + noise, b"\x1f\x8b\x08\x00" + noise):
        try:
            archive.read_archive(data, "noise")
        except BadSubmission:
            continue


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_damaged_zip_or_tar_never_raises_anything_else(at: int, damage: bytes) -> None:
    for whole in (zipped({"main.go": MAIN}), tarred((member("main.go"), MAIN)), gzip.compress(tarred())):
        damaged = whole[:at] + damage + whole[at + len(damage) :]
        try:
            archive.read_archive(damaged, "damaged")
        except BadSubmission:
            continue


def extended(size: int, times: int = 1) -> bytes:
    """A tar whose files have extension headers of `size` bytes that are slow to understand."""
    out = b""
    for number in range(times):
        info = tarfile.TarInfo("x")
        info.type, info.size = tarfile.XHDTYPE, size
        body = b"9" * size
        out += info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-size % 512)
        file = tarfile.TarInfo(f"f{number}.go")
        file.size = len(MAIN)
        out += file.tobuf(tarfile.USTAR_FORMAT) + MAIN + bytes(-len(MAIN) % 512)
    return out + bytes(1024)


@pytest.mark.parametrize(("size", "times"), [(40_000, 1), (15 << 20, 1), (4096, 190)])
def test_headers_that_take_long_to_read_are_not_read(size: int, times: int) -> None:
    begun = time.process_time()
    with pytest.raises(BadSubmission):
        archive.read_archive(gzip.compress(extended(size, times)), "x.tgz")
    assert time.process_time() - begun < 4


def test_headers_as_programs_write_them_are_read() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as bundle:
        for number in range(150):
            info = tarfile.TarInfo(f"f{number}.go")
            info.size = len(MAIN)
            info.pax_headers = {
                "LIBARCHIVE.xattr.com.apple.provenance": "x" * 200,
                "mtime": "1790000000.123456",
            }
            bundle.addfile(info, io.BytesIO(MAIN))
    assert len(archive.read_archive(out.getvalue(), "x.tar").files) == 150
