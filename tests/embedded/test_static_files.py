"""/static/ beside Django, under ASGI."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from lastmile.static_files import StaticFiles


async def _never(_scope: Any, _receive: Any, _send: Any) -> None:
    raise LookupError("it went on to Django")


@pytest.fixture
def files(tmp_path: Path, settings: Settings) -> StaticFiles:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "site.js").write_text("hello()")
    (tmp_path / "secret.txt").write_text("no")
    settings.STATICFILES_DIRS = [tmp_path / "static"]
    return StaticFiles(_never)


def _get(app: StaticFiles, path: str, **headers: str) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": pairs}
    asyncio.run(app(scope, None, send))  # type: ignore[arg-type]
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body


def test_it_works(files: StaticFiles) -> None:
    status, headers, body = _get(files, "/static/site.js")
    assert (status, body) == (200, b"hello()")
    assert headers[b"content-type"].startswith(b"text/javascript")
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_what_the_browser_has_is_not_sent_again(files: StaticFiles) -> None:
    _, headers, _ = _get(files, "/static/site.js")
    status, _, body = _get(files, "/static/site.js", if_modified_since=headers[b"last-modified"].decode())
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/static/none.js", "/static/../secret.txt", "/static//etc/passwd", "/static/\x00"]
)
def test_nothing_else_of_the_disk_is_served(files: StaticFiles, path: str) -> None:
    assert _get(files, path)[0] == 404


def test_other_paths_are_djangos(files: StaticFiles) -> None:
    with pytest.raises(LookupError):
        _get(files, "/labs/")
