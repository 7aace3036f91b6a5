"""Refuses a body that is larger than anything the site takes, before Django stores all of it in a temporary file."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from labs.harness.events import Text
from lastmile.problems import Trouble
from lastmile.static_files import Application, Receive, Scope, Send


class BoundedBodies:
    """Answers 413 to a request whose body is longer than `most` bytes, by what it says or by what comes."""

    def __init__(self, application: Application, most: int) -> None:
        self.application, self.most = application, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if said.isdigit() and int(said[:20]) > self.most:
            await _refuse(send)
            return
        body = _Body(receive, send, self.most)
        await self.application(scope, body.receive, body.send)
        if body.too_long and not body.answered:
            await _refuse(send)


class _Body:
    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send, self._left = receive, send, most
        self.too_long = self.answered = False

    async def receive(self) -> MutableMapping[str, Any]:
        """What comes; to the application one that is too long is one that broke off."""
        event = await self._receive()
        self._left -= len(event.get("body", b""))
        if self._left < 0:
            self.too_long = True
            return {"type": "http.disconnect"}
        return event

    async def send(self, event: MutableMapping[str, Any]) -> None:
        self.answered = True
        await self._send(event)


_TOO_LONG = Text(
    zh="请求的内容太大，没有接收。",
    en="The request is too large and was not taken.",
)


async def _refuse(send: Send) -> None:
    """Nobody knows the reader's language here: the answer has both."""
    answer = Trouble("too_big", _TOO_LONG, 413).json()
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer, ensure_ascii=False).encode()})
