"""Serves /static/ beside Django: whitenoise finds and describes the file, ASGI sends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from django.conf import settings
from whitenoise import WhiteNoise
from whitenoise.responders import Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

CHUNK = 256 * 1024
HEADERS = {"x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin"}


class StaticFiles:
    """Answers what is below STATIC_URL and hands everything else to `application`."""

    def __init__(self, application: Application) -> None:
        self.application = application
        # autorefresh looks at the disk for each request: a rebuilt bundle is served without a restart,
        # and revalidation by ETag-like dates keeps it cheap.
        self.files = WhiteNoise(_nothing, autorefresh=True, max_age=0)
        for folder in settings.STATICFILES_DIRS:
            if Path(folder).is_dir():
                self.files.add_files(str(folder), prefix=settings.STATIC_URL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(settings.STATIC_URL):
            await self.application(scope, receive, send)
            return
        found = await asyncio.to_thread(self.files.find_file, path)
        if found is None:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        environ = {
            f"HTTP_{k.decode('latin1').upper().replace('-', '_')}": v.decode("latin1")
            for k, v in scope["headers"]
        }
        await _send_file(found.get_response(scope["method"], environ), send)


async def _send_file(answer: Response, send: Send) -> None:
    headers = [(k.lower().encode(), v.encode()) for k, v in [*answer.headers, *HEADERS.items()]]
    await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
    if answer.file is not None:
        with answer.file as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _nothing(_environ: Any, _start_response: Any) -> list[bytes]:
    return []
