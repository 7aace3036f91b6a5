"""The engine's end of the virtual machines of a run: one per kernel, each with the learner's program in it.

The grader process has no way to a machine. It asks for one of OPERATIONS, and the engine does it
over the agent's channel. What a guest says is bounded by that channel and passed on; the
learner's program is root in the guest, so a machine that goes away after the program was started is
the learner's doing, unless the evidence says that it is ours.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from labs.harness import pace
from labs.harness.events import Text
from labs.harness.evidence import Lost, why_lost
from labs.harness.learner import MAX_INSTANCES, Callbacks
from labs.harness.machine_operations import COMMAND_BYTES, OPERATIONS, ORDER_SECONDS, Answer
from labs.harness.manifest import Lab
from labs.harness.output import Batches
from sandboxes.interface import Completed, Handle
from sandboxes.pool import client as pool
from sandboxes.vm.client import Client
from sandboxes.vm.errors import GuestError, Refused, Silent, TooLarge
from sandboxes.vm.programs import Program

T = TypeVar("T")
MIB = 1 << 20
PROGRAM = "program"
REFERENCE = "reference"
MAX_SECONDS = 300.0
_OUTPUT_BYTES = 16 * MIB
# a program that may take what the kernel and the agent need would leave it to the guest's OOM killer whom to end
_MOST_OF_MEMORY = 0.5
_POLL_SECONDS = 1.0
_PUSH_SECONDS, _START_SECONDS = 60.0, 30.0
_PING_SECONDS = 15.0
_END_SECONDS, _END_POLL_SECONDS = 5.0, 0.1
_CLOSED = Lost(True, Text("运行已经结束", "the run is over"), "closed")


class MachineLost(Exception):
    """The machine is no more, or does not answer. `lost` says whose doing it is and in which words."""

    def __init__(self, lost: Lost) -> None:
        super().__init__(lost.text.en)
        self.lost = lost


class Machine:
    """One machine. The client is connected at the first use and kept; methods are called one at a time."""

    def __init__(self, kernel: str, handle: Handle, lab: Lab, callbacks: Callbacks) -> None:
        self.kernel = kernel
        self._handle, self._lab, self._on = handle, lab, callbacks
        self._output = Batches(callbacks.lines, callbacks.cut, callbacks.broken)
        self._client: Client | None = None
        self._programs: dict[int, Program] = {}
        self._pushed: set[str] = set()
        self._lost: Lost | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._commanded = False
        self.object: Path | None = None
        self.built: Path | None = None

    def start(
        self,
        number: int,
        program: Path,
        env: Mapping[str, str],
        args: tuple[str, ...] = (),
        name: str = PROGRAM,
    ) -> None:
        """Push the program, once, and start an instance. Raises ValueError for a used number, MachineLost.

        `name` is the program's in the guest.
        """
        if number in self._programs or len(self._programs) >= MAX_INSTANCES:
            raise ValueError(f"instance {number} cannot be started")
        self._try(lambda client: self._start(client, number, program, env, args, name))
        threading.Thread(target=self._await_end, args=(number,), daemon=True).start()

    def stop(self, number: int) -> None:
        self._signal(number, signal.SIGTERM)

    def kill(self, number: int) -> None:
        self._signal(number, signal.SIGKILL)

    def ask(self, operation: str, args: Mapping[str, Any], timeout: float) -> Answer:
        """Do one of OPERATIONS. Raises ValueError, KeyError, TypeError for wrong arguments; Refused, TooLarge
        when the agent or the answer's size says no; MachineLost.
        """
        do = OPERATIONS[operation]
        # a guest whose host has no processor to spare is slow, and that is not the learner's fault
        seconds = pace.stretched(min(max(timeout, 0.1), MAX_SECONDS))
        return self._try(lambda client: do(self, client, args, seconds))

    def close(self) -> None:
        """Idempotent. Requests that wait end."""
        self._closed = True
        self._output.close()
        if self._client is not None:
            self._client.close()

    @property
    def used(self) -> bool:
        """Whether the learner's program has run in it."""
        return bool(self._programs) or self._commanded

    def program(self, number: int) -> Program:
        return self._programs[number]

    def command(self, client: Client, args: tuple[str, ...], timeout: float) -> Answer:
        """Run the learner's program with arguments until it ends, or until its time is over."""
        if self.built is None:
            raise ValueError("there is no program yet")
        self._push(client, self.built, PROGRAM)
        output = bytearray()
        program = client.start(
            (f"/work/{PROGRAM}", *args), output_bytes=COMMAND_BYTES, on_output=output.extend, **self._how()
        )
        self._commanded = True
        ended = program.wait(timeout)
        in_time = ended is not None
        ended = ended or program.kill(pace.stretched(ORDER_SECONDS))
        how = {"code": ended.code, "signal": ended.signal, "stopped_by": ended.stopped_by} if ended else {}
        return Answer({"code": None, "signal": 0, "stopped_by": "", **how, "in_time": in_time}, bytes(output))

    def _start(
        self,
        client: Client,
        number: int,
        program: Path,
        env: Mapping[str, str],
        args: tuple[str, ...],
        name: str,
    ) -> None:
        self._push(client, program, name)
        self._programs[number] = client.start(
            (f"/work/{name}", *args),
            output_bytes=_OUTPUT_BYTES,
            on_output=self._output.feed,
            **self._how(env),
        )

    def _push(self, client: Client, program: Path, name: str) -> None:
        if name not in self._pushed:
            seconds = pace.stretched(_PUSH_SECONDS)
            client.put_bytes(name, program.read_bytes(), mode=0o755, timeout=seconds)
            self._pushed.add(name)

    def _how(self, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """What every process of the learner's program is started with."""
        limits = self._lab.limits
        most = int(self._handle.data["memory_bytes"] * _MOST_OF_MEMORY)
        return {
            "env": {"PATH": "/bin", "HOME": "/tmp", "TMPDIR": "/tmp", **(env or {})},
            "memory_bytes": min(limits.memory_bytes, most),
            "processes": limits.processes,
            "timeout": pace.stretched(_START_SECONDS),
        }

    def _signal(self, number: int, which: signal.Signals) -> None:
        program = self._programs[number]
        self._try(lambda client: program.signal(which, pace.stretched(ORDER_SECONDS)))

    def _try(self, action: Callable[[Client], T]) -> T:
        if self._lost is not None:
            raise MachineLost(self._lost)
        try:
            return action(self._connected())
        except (Refused, TooLarge):
            raise
        except GuestError as error:
            if self._closed:  # by ourselves: there is nothing to find out
                raise MachineLost(_CLOSED) from error
            if isinstance(error, Silent) and self._answers():  # it was slow with this, and is there
                raise Refused(str(error)) from error
            raise MachineLost(self._lose(error)) from error

    def _answers(self) -> bool:
        try:
            self._connected().ping(pace.stretched(_PING_SECONDS))
        except GuestError:
            return False
        return True

    def _connected(self) -> Client:
        if self._client is None:
            self._client = Client.connect(self._handle, pace.stretched(ORDER_SECONDS))
            if self._closed:  # meanwhile, when there was nothing to close yet
                self._client.close()
        return self._client

    def _lose(self, error: GuestError) -> Lost:
        """The first reason counts. What is ours ends the run."""
        with self._lock:
            if self._lost is None:
                self._lost = why_lost(self._handle, error, started=self.used, off=self._is_off)
            lost = self._lost
        if lost.ours and not self._closed:
            self._on.broken(f"Linux {self.kernel}: {lost.log}")
        return lost

    def _is_off(self) -> bool:
        """Whether the emulator has ended in order. It has a moment to end: its channel closes first."""
        deadline = time.monotonic() + _END_SECONDS
        while not (ended := pool.ailments(self._handle)) and time.monotonic() < deadline:
            time.sleep(_END_POLL_SECONDS)
        return ended.get("machine") == "off"

    def _await_end(self, number: int) -> None:
        program = self._programs[number]
        try:
            while not self._closed:
                ended = program.wait(_POLL_SECONDS)
                if ended is not None:
                    self._on.ended(number, ended.completed(), self._output)
                    return
        except GuestError as error:
            if not self._closed:
                self._lose(error)
                self._on.ended(number, Completed(None, b"", 0.0, "guest"), self._output)
