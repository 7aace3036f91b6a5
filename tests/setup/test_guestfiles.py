"""What of Debian's packages goes into the guests: taken whole or not at all, and named by what it came from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sandboxes.setup import command, debian, guestfiles
from sandboxes.setup.step import SetupError

_WANTED = (
    *("usr/sbin/nginx", "usr/bin/openssl", "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
    *(f"usr/lib/x86_64-linux-gnu/{name}" for name in guestfiles._LIBRARIES),
)


def _unpacked(folder: Path, *, without: str = "") -> Path:
    for name in _WANTED:
        if not name.endswith(without or "\0"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
    return folder


def test_it_works(tmp_path: Path) -> None:
    guestfiles.take(_unpacked(tmp_path / "from"), tmp_path / "into")
    found = {str(path.relative_to(tmp_path / "into")): path for path in (tmp_path / "into").rglob("*")}
    assert found["opt/mesh/nginx"].read_text() == "usr/sbin/nginx"
    assert found["opt/mesh/lib/libc.so.6"].stat().st_mode & 0o777 == 0o755
    assert "lib64/ld-linux-x86-64.so.2" in found
    assert found["etc/passwd"].read_text().startswith("root:")


@pytest.mark.parametrize("missing", ["nginx", "libssl.so.3", "ld-linux-x86-64.so.2"])
def test_a_package_that_lacks_something_is_told(tmp_path: Path, missing: str) -> None:
    with pytest.raises(SetupError, match=missing):
        guestfiles.take(_unpacked(tmp_path / "from", without=missing), tmp_path / "into")


def test_a_link_is_followed_to_the_library(tmp_path: Path) -> None:
    folder = _unpacked(tmp_path / "from", without="libz.so.1")
    library = folder / "usr/lib/x86_64-linux-gnu/libz.so.1.2.13"
    library.write_text("zlib")
    library.with_name("libz.so.1").symlink_to(library.name)
    guestfiles.take(folder, tmp_path / "into")
    assert (tmp_path / "into/opt/mesh/lib/libz.so.1").read_text() == "zlib"


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch) -> None:
    """An apt that knows every package, and a dpkg-deb that has one with all in it."""

    def download(packages: Sequence[str], into: Path) -> list[Path]:
        return [into / f"{package}_1_amd64.deb" for package in packages]

    def unpack(argv: Sequence[Path], **_: object) -> None:
        _unpacked(Path(argv[-1]))

    monkeypatch.setattr(debian, "names", lambda prefix, say: [prefix])
    monkeypatch.setattr(debian, "download", download)
    monkeypatch.setattr(command, "run", unpack)


@pytest.mark.usefixtures("apt")
def test_it_is_whole_or_not_there(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = guestfiles.GuestPrograms()
    assert not step.done()
    step.run(lambda _: None)
    assert step.done()
    assert guestfiles.stamp(cache).read_text().startswith("nginx_1_amd64.deb\n")
    assert "opt/mesh/openssl" in dict(guestfiles.files(cache))
    assert [path.name for path in guestfiles.folder(cache).parent.iterdir()] == ["programs"]
    monkeypatch.setattr(guestfiles, "_LAYOUT", "another")
    assert not step.done()
