"""The pool's protocol: one JSON object a line, over `<run>/pool.sock` (mode 0600).

client → {"lease": SPEC, "beside": n}   then {"queued": n}*, {"progress": PROGRESS}*, {"leased": HANDLE, "warm": bool}
client → {"warm": SPEC, "count": n} then {"ok": true}     keep n spares of it from now on
client → {"status": true, "of": spec or left out}   then {"status": {...}}
client → {"ailments": ID, "deep": bool}  then {"ailments": {part: word}}  of a leased sandbox
client → {"run_delay": ID}          then {"run_delay": {"ran": s, "waited": s} or null}  of a leased sandbox
any    → {"error": text, "unavailable": bool}
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandboxes.interface import Handle, Progress, Spec
from sandboxes.paths import run_dir

_LONGEST_LINE = 1 << 20


def socket_path() -> Path:
    return run_dir() / "pool.sock"


def send(connection: socket.socket, **message: Any) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(connection: socket.socket) -> Iterator[dict[str, Any]]:
    """The messages until the other side closes. Raises ValueError for what is not one."""
    with connection.makefile("rb") as lines:
        while line := lines.readline(_LONGEST_LINE):
            try:
                message = json.loads(line)
            except RecursionError as error:
                raise ValueError("a message nests too deep") from error
            if not isinstance(message, dict):
                raise ValueError("a message is a JSON object")
            yield message


def spec_json(spec: Spec) -> dict[str, Any]:
    return {"kind": spec.kind, "memory_bytes": spec.memory_bytes, "options": dict(spec.options)}


def read_spec(value: Any) -> Spec:
    """Raises ValueError, KeyError or TypeError for what `spec_json` did not write."""
    kind, memory, options = value["kind"], value["memory_bytes"], value.get("options", {})
    if not isinstance(kind, str) or type(memory) is not int or memory < 0 or not isinstance(options, dict):
        raise ValueError(f"not a spec: {value!r:.200}")
    return Spec(kind, memory, options)


def handle_json(handle: Handle) -> dict[str, Any]:
    return {"kind": handle.kind, "id": handle.id, "boot_id": handle.boot_id, "data": dict(handle.data)}


def read_handle(value: dict[str, Any]) -> Handle:
    return Handle(value["kind"], value["id"], value["boot_id"], value["data"])


def progress_json(progress: Progress) -> dict[str, Any]:
    return asdict(progress)


def key(spec: Spec) -> str:
    """Specs with the same key can stand in for each other."""
    return json.dumps(spec_json(spec), sort_keys=True)
