from __future__ import annotations

import hashlib
import socket
import time
from pathlib import Path

import pytest

from sandboxes.setup import download

CONTENT = b"#!/bin/sh\n" + bytes(range(256)) * 9000
SHA = hashlib.sha256(CONTENT).hexdigest()
Mirror = tuple[Path, str]


def _silent(_: str) -> None:
    """No progress."""


def test_it_works(mirror: Mirror, tmp_path: Path) -> None:
    folder, address = mirror
    (folder / "kubectl").write_bytes(CONTENT)
    said: list[str] = []
    download.fetch(f"{address}/kubectl", SHA, tmp_path / "new" / "kubectl", said.append)
    assert (tmp_path / "new" / "kubectl").read_bytes() == CONTENT
    assert said[-1] == "downloaded 2 of 2 MB"


def test_a_wrong_checksum_leaves_nothing(mirror: Mirror, tmp_path: Path) -> None:
    folder, address = mirror
    (folder / "kubectl").write_bytes(CONTENT + b"evil")
    with pytest.raises(download.WrongChecksum, match=SHA) as caught:
        download.fetch(f"{address}/kubectl", SHA, tmp_path / "out" / "kubectl", _silent)
    assert "LASTMILE_K8S_MIRROR" in caught.value.remedy
    assert not list((tmp_path / "out").iterdir())


def test_a_missing_file_is_unreachable(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(download.Unreachable):
        download.fetch(f"{mirror[1]}/kubectl", SHA, tmp_path / "kubectl", _silent)


def test_a_refused_connection_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/kubectl"
        with pytest.raises(download.Unreachable):
            download.fetch(url, SHA, tmp_path / "kubectl", _silent)


def test_a_silent_server_does_not_hang_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(download.Unreachable):
            download.fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/x", SHA, tmp_path / "x", _silent)
    assert time.monotonic() - started < 3


def test_pins_are_read(tmp_path: Path) -> None:
    (tmp_path / "pins").write_text(f"# why\n\n{SHA}  v1/kubectl\n")
    assert download.pins(tmp_path / "pins") == {"v1/kubectl": SHA}
