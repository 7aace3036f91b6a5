"""A few calls of the Kubernetes API from outside of the sandbox, for its supervisor."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from sandboxes import netns


class ApiError(Exception):
    """The API server refused; `code` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Client:
    """Talks to 127.0.0.1:`port` in the namespace at `network`. One connection a call: calls are few."""

    def __init__(self, network: str, port: int, ca: bytes, token: str) -> None:
        self._network, self._port, self._token = network, port, token
        self._tls = ssl.create_default_context(cadata=ca.decode())

    def call(self, method: str, path: str, body: Any = None, timeout: float = 5.0) -> tuple[int, bytes]:
        """The status and the body. Raises OSError when nothing answers."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=timeout, context=self._tls)
        raw = netns.connect(self._network, self._port, timeout)
        try:
            connection.sock = self._tls.wrap_socket(raw, server_hostname="127.0.0.1")
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            raw.close()
            connection.close()

    def get(self, path: str) -> Any:
        return self._json("GET", path, None)

    def create(self, path: str, body: Any) -> Any:
        """POST; an object that exists already is left as it is."""
        try:
            return self._json("POST", path, body)
        except ApiError as error:
            if error.code != 409:
                raise
            return None

    def _json(self, method: str, path: str, body: Any) -> Any:
        status, text = self.call(method, path, body)
        if status >= 300:
            raise ApiError(status, text.decode(errors="replace")[:500])
        return json.loads(text)
