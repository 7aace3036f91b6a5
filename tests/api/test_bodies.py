"""A body that nobody takes is refused before it is on the disk."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.conf import settings

from lastmile.asgi import application

MIB = b"x" * (1 << 20)


def _post(said: bytes | None, chunks: int) -> tuple[list[dict[str, Any]], int]:
    """The answer, and how many chunks of a MiB were read for it."""
    read = 0
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": MIB, "more_body": read < chunks}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/nowhere",
        "raw_path": b"/nowhere",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), *([(b"content-length", said)] if said else [])],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(application(scope, receive, send))  # type: ignore[arg-type]
    return sent, read


@pytest.mark.parametrize("said", [b"1073741824", b"9" * 40])
def test_what_says_that_it_is_too_long_is_not_read(said: bytes) -> None:
    sent, read = _post(said, 1024)
    assert (sent[0]["status"], read) == (413, 0)
    answer = json.loads(sent[1]["body"])
    assert answer["code"] == "too_big"
    assert answer["zh"]
    assert answer["en"]


def test_what_turns_out_too_long_is_read_no_further() -> None:
    sent, read = _post(None, 1024)
    assert sent[0]["status"] == 413
    assert read == settings.REQUEST_MAX_BYTES // len(MIB) + 1
