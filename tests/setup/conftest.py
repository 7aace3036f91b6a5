"""A cache of its own for every test, and a mirror on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandboxes.setup import golang

TOOLCHAIN = golang.root()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty <cache>."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LASTMILE_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def _build_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that Go's runtime is compiled once."""
    return tmp_path_factory.mktemp("go-build")


@pytest.fixture
def toolchain(cache: Path, _build_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's Go with caches of the tests' own."""
    monkeypatch.setattr(golang, "root", lambda: TOOLCHAIN)
    monkeypatch.setattr(golang, "build_cache", lambda: _build_cache)
    return TOOLCHAIN


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address that serves it."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()
