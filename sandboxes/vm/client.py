"""What a grader does in a virtual machine: typed methods over the agent's channel.

    with Client.connect(handle) as guest:
        guest.put_bytes("tracer", binary, mode=0o755)
        tracer = guest.start(("/work/tracer",), on_output=log.append, memory_bytes=96 << 20)
        metrics = guest.http_get("http://127.0.0.1:9100/metrics")
        tracer.signal(signal.SIGTERM)
        ended = tracer.wait(5)

One client at a time: a second one waits for the first to close and raises Busy when its time is over.
All methods may be called from several threads. Nothing that the guest says is trusted: it is bounded,
parsed and handed over; what it means is for the caller to judge.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandboxes.interface import Handle, check_name
from sandboxes.vm import bpf
from sandboxes.vm.channel import Channel
from sandboxes.vm.errors import Malformed, Refused
from sandboxes.vm.frames import VERSION, loads
from sandboxes.vm.programs import Exit, OnOutput, Program, Usage, number

_ENTROPY_BYTES = 64
MIB = 1 << 20


@dataclass(frozen=True)
class State:
    """`uptime` in seconds of the guest; `clock` its time of day, in seconds since 1970."""

    release: str
    uptime: float
    clock: float


@dataclass(frozen=True)
class Response:
    """An HTTP answer. `headers` have the names as they were sent, each with its first value."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """A session with one guest. `close` ends the session, not the machine or the programs in it."""

    def __init__(self, channel: Channel) -> None:
        """Use `connect`."""
        self._channel = channel

    @classmethod
    def connect(cls, handle: Handle, timeout: float = 10.0) -> Self:
        """Connect to the machine of `handle`, set its clock and reseed its random numbers.

        Raises Gone when it does not stand any more, Busy while another client has it, Silent when it does not answer
        in time.
        """
        channel = Channel(Path(handle.data["agent"]), timeout)
        client = cls(channel)
        try:
            client.hello(timeout)
        except BaseException:
            channel.close()
            raise
        return client

    def hello(self, timeout: float = 10.0) -> State:
        """Begin the session anew: clock, entropy, and what the agent still did for the one before ends."""
        args = {
            "protocol": VERSION,
            "unix_ns": time.time_ns(),
            "entropy": secrets.token_hex(_ENTROPY_BYTES),
        }
        return _state(self.call("hello", args, timeout=timeout)[0])

    def ping(self, timeout: float = 5.0) -> State:
        """Whether the agent answers, and since when the guest runs."""
        return _state(self.call("ping", timeout=timeout)[0])

    def call(
        self,
        operation: str,
        args: Mapping[str, Any] | None = None,
        body: bytes = b"",
        *,
        timeout: float = 10.0,
        limit: int = MIB,
    ) -> tuple[dict[str, Any], bytes]:
        """Any operation of the agent: its answer's object and body, which is `limit` bytes at most.

        For operations that have no method here, such as traffic. Raises what sandboxes.vm.errors has;
        the agent's own deadline for it is the same `timeout`.
        """
        ok, answer = self._channel.request(operation, args or {}, body, timeout, limit)
        if ok.get("in_body") is True:
            return _object(answer), b""
        return ok, answer

    def put_bytes(self, name: str, content: bytes, *, mode: int = 0o644, timeout: float = 30.0) -> None:
        """Write /work/`name`, replacing what is there. Raises ValueError for a name that leads out of /work."""
        check_name(name)
        self.call("put", {"name": name, "mode": mode, "size": len(content)}, content, timeout=timeout)

    def get_bytes(self, name: str, *, limit: int = 16 * MIB, timeout: float = 30.0) -> bytes:
        """The regular file /work/`name`. Raises ValueError for the name, Refused or TooLarge for the file."""
        check_name(name)
        return self.call("get", {"name": name, "limit": limit}, timeout=timeout, limit=limit)[1]

    def start(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/work",
        stdin: bytes = b"",
        memory_bytes: int = 128 * MIB,
        processes: int = 256,
        output_bytes: int = 4 * MIB,
        stop_at_output: bool = True,
        on_output: OnOutput | None = None,
        timeout: float = 10.0,
    ) -> Program:
        """Start a program as root of the guest, in a control group of its own with these limits (0: none).

        Its standard output and error come as one stream to `on_output`, from a thread of the channel that
        must not be held up and must not call this client. What it writes past `output_bytes` is dropped and, with
        `stop_at_output`, ends it. When it ends, all that it started is ended. Raises Refused when it does
        not start.
        """
        program = Program(self._channel, number(), on_output, output_bytes)
        self._channel.listen(program.number, program.hear)
        args = {
            "program": program.number,
            "argv": list(argv),
            "env": [f"{key}={value}" for key, value in (env or {"PATH": "/bin"}).items()],
            "cwd": cwd,
            "memory_bytes": memory_bytes,
            "processes": processes,
            "output_bytes": output_bytes,
            "stop_at_output": stop_at_output,
        }
        try:
            program.pid = _pid(self.call("start", args, stdin, timeout=timeout)[0])
        except BaseException:
            self._channel.unlisten(program.number)
            raise
        return program

    def http_get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        limit: int = MIB,
        timeout: float = 5.0,
    ) -> Response:
        """GET `url`, which is http://127.0.0.1 or http://[::1], in the guest. The connection is closed afterwards.

        Raises Refused when nothing answers or it is not an address of loopback, TooLarge past `limit`.
        """
        args = {"url": url, "headers": dict(headers or {}), "limit": limit}
        ok, body = self.call("http", args, timeout=timeout, limit=limit)
        try:
            first = {str(name): str(values[0]) for name, values in dict(ok["headers"]).items() if values}
            return Response(int(ok["status"]), first, body)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise Malformed(f"http was answered with {ok!r:.200}") from error

    def bpf(self, timeout: float = 10.0) -> bpf.Objects:
        """Every program, map and link of the kernel's, and what is pinned below /sys/fs/bpf."""
        return bpf.parse(self.call("bpf", timeout=timeout, limit=4 * MIB)[0])

    def bpf_stats(self, on: bool, timeout: float = 10.0) -> None:
        """Have the kernel count each BPF program's run time from now on, or no longer."""
        self.call("bpf_stats", {"on": on}, timeout=timeout)

    def quiesce(self) -> None:
        """Have the guest give back the memory that it can do without. For templates."""
        self.call("quiesce", timeout=30)

    def close(self) -> None:
        """Idempotent. Requests that wait raise Gone."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _state(ok: Mapping[str, Any]) -> State:
    try:
        if ok["protocol"] != VERSION:
            raise Refused(f"the agent speaks protocol {ok['protocol']!r:.20}, this host {VERSION}")
        return State(str(ok["release"])[:100], float(ok["uptime"]), int(ok["unix_ns"]) / 1e9)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"hello was answered with {ok!r:.200}") from error


def _pid(ok: Mapping[str, Any]) -> int:
    try:
        return int(ok["pid"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"start was answered with {ok!r:.200}") from error


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("an answer's body is not JSON") from error
    if not isinstance(value, dict):
        raise Malformed("an answer's body is not a JSON object")
    return value


__all__ = ["Client", "Exit", "Program", "Response", "State", "Usage"]
