"""What the engine and the grader process say to each other: one JSON object a line.

Lines from the grader begin with RS (0x1E, as in RFC 7464); whatever else it prints is its own log.
Both sides check every message against these shapes; a grader that breaks them is our fault.
"""

from __future__ import annotations

import json
from typing import Any

RS = b"\x1e"
MAX_LINE = 1024 * 1024
MAX_LINE_TO_GRADER = 8 * MAX_LINE  # `go` has all of a submission's C sources, of which a byte may take six

Message = dict[str, Any]
_Shape = dict[str, type | tuple[type, ...]]

TO_GRADER: dict[str, _Shape] = {
    "assignment": {
        "lab": str,
        "root": str,
        "seed": int,
        "sandbox": dict,
        "seconds": (int, float),
        "kernel": str,
        "only": list,
        "stop": bool,
    },
    "go": {"sources": dict},
    "reply": {"id": int, "error": str, "refused": str, "lost": dict},
    "output": {"lines": list},
    "answer": {"id": int, "error": str, "lost": dict, "ok": dict, "body": str},
    "pace": {"factor": (int, float)},
    "exited": {"process": int, "code": (int, type(None)), "stopped_by": str},
}

FROM_GRADER: dict[str, _Shape] = {
    "ready": {},
    "event": {"event": str, "fields": dict},
    "request": {"id": int, "do": str, "process": int, "env": dict, "args": list},
    "guest": {"id": int, "do": str, "args": dict, "timeout": (int, float)},
    "done": {"crashed": bool, "reason": dict},
    "broken": {"log": str},
}

EVENTS: dict[str, _Shape] = {
    "step": {"source": str, "text": dict},
    "check": {"check": str, "status": str},
    "timeline": {"entries": list},
    "diagnostic": {
        "tool": str,
        "file": str,
        "line": int,
        "column": int,
        "message": str,
        "text": dict,
        "log": dict,
    },
    "traffic": {"kernel": str, "tried": dict, "connections": list, "counts": list, "left_out": int},
    "cost": {
        "kernel": str,
        "connections": int,
        "yours": dict,
        "reference": (dict, type(None)),
        "most": (int, float),
    },
}
ACTIONS = ("start_operator", "start_reference", "stop_operator", "kill_operator")
GUEST_OPERATIONS = (
    *("http", "bpf", "bpf_stats", "traffic", "traffic_release", "usage", "verify", "run", "command"),
    *("worker_start", "worker_do", "worker_end"),
    *("mesh_start", "mesh_do", "mesh_webhook", "mesh_received", "mesh_end"),
)
STATUSES = ("running", "passed", "failed", "skipped")


class BrokenProtocol(Exception):
    """A message that no version of the other side would send."""


def encode(message: Message) -> bytes:
    """One line, with its newline. Raises BrokenProtocol when it is too long."""
    line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(line) > (MAX_LINE_TO_GRADER if message.get("type") == "go" else MAX_LINE):
        raise BrokenProtocol(f"a {message.get('type')} message of {len(line)} bytes")
    return line + b"\n"


def decode(line: bytes, shapes: dict[str, _Shape]) -> Message:
    """The message in one line, checked. Raises BrokenProtocol."""
    if len(line) > (MAX_LINE_TO_GRADER if shapes is TO_GRADER else MAX_LINE):
        raise BrokenProtocol(f"a line of {len(line)} bytes")
    try:
        message = json.loads(line)
    except ValueError as error:
        raise BrokenProtocol(f"not JSON: {error}") from error
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str) or kind not in shapes:
        raise BrokenProtocol(f"an unknown message {kind!r}")
    _check(kind, message, shapes[kind])
    if kind == "event":
        _check_event(message)
    known = {"request": ACTIONS, "guest": GUEST_OPERATIONS}.get(kind)
    if known is not None and message["do"] not in known:
        raise BrokenProtocol(f"an unknown request {message['do']!r}")
    checked: Message = message
    return checked


def _check_event(message: Message) -> None:
    name = message["event"]
    if name not in EVENTS:
        raise BrokenProtocol(f"a grader may not emit {name!r}")
    fields = message["fields"]
    _check(name, fields, EVENTS[name])
    if name == "diagnostic" and fields["tool"] != "verifier":
        raise BrokenProtocol(f"a grader has no diagnostics of {fields['tool']!r}")
    if name == "check" and fields["status"] not in STATUSES:
        raise BrokenProtocol(f"an unknown status {fields['status']!r}")
    if {"seq", "at", "type"} & fields.keys():
        raise BrokenProtocol(f"{name} carries a field of the engine's")


def _check(kind: str, message: Message, shape: _Shape) -> None:
    for field, type_ in shape.items():
        if field not in message or not isinstance(message[field], type_):
            raise BrokenProtocol(f"{kind}: {field} is missing or of the wrong type")
