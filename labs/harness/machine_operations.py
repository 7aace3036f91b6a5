"""What a grader may ask of a machine, one function for each of protocol.GUEST_OPERATIONS."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from labs.harness import pace
from sandboxes.vm.client import Client
from sandboxes.vm.programs import Program

MIB = 1 << 20
COMMAND_BYTES = 64 << 10
_RUN_BYTES = 512 << 10  # several pages of metrics; as base64 it fits into the line to the grader
ORDER_SECONDS = 10.0
_MOST_PINS, _PIN_LETTERS = 200, 500
_BODY_BYTES = 512 << 10  # the line that carries it to the grader holds 1 MiB


@dataclass(frozen=True)
class Answer:
    """What the grader gets: an object, and a body where the operation has one."""

    ok: dict[str, Any]
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        return {"ok": self.ok, "body": base64.b64encode(self.body).decode()}


class LearnersMachine(Protocol):
    """A machine, as far as it knows the learner's program. `object`: the program's eBPF object, where it has one."""

    object: Path | None

    def program(self, number: int) -> Program: ...

    def command(self, client: Client, args: tuple[str, ...], timeout: float) -> Answer: ...


Args = Mapping[str, Any]


def _http(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    response = client.http_get(str(args["url"]), limit=_BODY_BYTES, timeout=timeout)
    return Answer({"status": response.status, "headers": dict(response.headers)}, response.body)


def _bpf(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    """The pins are the learner's to name and to number: the first of them, and of each so much, tell enough."""
    objects = client.bpf(timeout)
    pins = tuple(pin[:_PIN_LETTERS] for pin in objects.pins[:_MOST_PINS])
    return Answer(asdict(replace(objects, pins=pins)))


def _bpf_stats(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    client.bpf_stats(args["on"] is True, timeout)
    return Answer({})


def _traffic(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    plan = json.dumps(dict(args["plan"])).encode()
    return Answer(client.call("traffic", body=plan, timeout=timeout)[0])


def _release(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    return Answer(client.call("traffic_release", timeout=timeout)[0])


def _usage(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    return Answer(asdict(machine.program(int(args["process"])).usage(timeout)))


def _verify(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    """Load the learner's object without the learner's program, to have the verifier's whole log."""
    if machine.object is None:
        raise ValueError("the lab has no eBPF object")
    ok, log = client.call("verify", body=machine.object.read_bytes(), timeout=timeout, limit=_BODY_BYTES)
    return Answer(ok, log)


def _run(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    """A command of the guest's own (busybox), as its root."""
    argv, output = tuple(str(word) for word in args["argv"]), bytearray()
    program = client.start(
        argv,
        on_output=output.extend,
        output_bytes=_RUN_BYTES,
        stop_at_output=False,
        memory_bytes=64 * MIB,
        timeout=timeout,
    )
    ended = program.wait(timeout)
    late = ended is None
    ended = ended or program.kill(pace.stretched(ORDER_SECONDS))
    return Answer({"code": ended.code if ended else None, "late": late}, bytes(output))


def _command(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    return machine.command(client, tuple(str(word) for word in args["args"]), timeout)


def _mesh(machine: LearnersMachine, client: Client, args: Args, timeout: float) -> Answer:
    plan = json.dumps(dict(args["plan"])).encode()
    return Answer(client.call("mesh_do", body=plan, timeout=timeout, limit=_BODY_BYTES)[0])


def _passed_on(operation: str) -> Callable[[LearnersMachine, Client, Args, float], Answer]:
    """One of the agent's operations, with the grader's arguments as they are."""
    return lambda _machine, client, args, timeout: Answer(client.call(operation, args, timeout=timeout)[0])


OPERATIONS: dict[str, Callable[[LearnersMachine, Client, Args, float], Answer]] = {
    "http": _http,
    "bpf": _bpf,
    "bpf_stats": _bpf_stats,
    "traffic": _traffic,
    "traffic_release": _release,
    "usage": _usage,
    "verify": _verify,
    "run": _run,
    "command": _command,
    "mesh_do": _mesh,
    "mesh_start": _passed_on("mesh_start"),
    "mesh_webhook": _passed_on("mesh_webhook"),
    "mesh_received": _passed_on("mesh_received"),
    "mesh_end": _passed_on("mesh_end"),
    "worker_start": _passed_on("worker_start"),
    "worker_do": _passed_on("worker_do"),
    "worker_end": _passed_on("worker_end"),
}
