"""The archive that the guest's kernel unpacks, read back by cpio's own rules."""

from __future__ import annotations

import stat

from sandboxes.vm import initramfs


def _read(archive: bytes) -> dict[str, tuple[int, bytes, tuple[int, int]]]:
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, major, minor, name_size = fields[1], fields[6], fields[9], fields[10], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        begin = (at + 110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert begin + size == len(archive)
            return found
        found[name] = (mode, archive[begin : begin + size], (major, minor))
        at = (begin + size + 3) // 4 * 4


def test_it_works() -> None:
    read = _read(initramfs.guest(b"agent", b"busybox!", [("00-a.ko", b"module")]))
    assert read["init"][:2] == (stat.S_IFREG | 0o755, b"agent")
    assert read["bin/sh"][:2] == (stat.S_IFLNK | 0o777, b"busybox")
    assert read["modules/00-a.ko"][1] == b"module"
    assert read["dev/console"] == (stat.S_IFCHR | 0o600, b"", (5, 1))


def test_a_folder_comes_before_what_is_in_it() -> None:
    names = list(_read(initramfs.guest(b"a", b"b", [("m.ko", b"c")])))
    for name in names:
        parent = name.rpartition("/")[0]
        assert not parent or names.index(parent) < names.index(name)


def test_the_same_parts_make_the_same_bytes() -> None:
    parts = (b"agent", b"busybox", [("m.ko", b"c")])
    assert initramfs.guest(*parts) == initramfs.guest(*parts)


def test_programs_get_the_folders_that_they_lie_in() -> None:
    programs = [initramfs.file("opt/mesh/lib/libc.so.6", b"c", 0o755), initramfs.file("opt/mesh/nginx", b"n")]
    read = _read(initramfs.guest(b"a", b"b", [], programs))
    names = list(read)
    assert [name for name in names if name.startswith("opt")] == [
        *("opt", "opt/mesh", "opt/mesh/lib", "opt/mesh/lib/libc.so.6", "opt/mesh/nginx")
    ]
    assert stat.S_ISDIR(read["opt/mesh/lib"][0])
