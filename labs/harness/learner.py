"""The learner's program, as the engine runs it: instances in jails, their output bounded and cleaned."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.harness import pace
from labs.harness.jails import Jails
from labs.harness.manifest import Lab
from labs.harness.output import Batches, OnLines
from sandboxes import jail
from sandboxes.controlplane.components import kubeconfig
from sandboxes.interface import Completed, StartFailed

MIB = 1 << 20
MAX_INSTANCES = 100
_OUTPUT_BYTES = 16 * MIB  # after this much an instance is stopped; what is shown ends earlier
_SPARE_SECONDS = 30.0

OnExit = Callable[[int, Completed], None]


@dataclass(frozen=True)
class Callbacks:
    """Called from threads of the Learner's own: new lines {at, text}, the cut, an end, a broken jail."""

    lines: OnLines
    cut: Callable[[], None]
    exited: OnExit
    broken: Callable[[str], None]

    def ended(self, number: int, result: Completed, output: Batches) -> None:
        """Hand on what is left of the output, then tell the end. A sink that fails ends the run at once."""
        try:
            output.end()
            self.exited(number, result)
        except Exception:  # noqa: BLE001
            self.broken(traceback.format_exc())


class Learner:
    """`sandbox` is the data of the handle, {} when the lab has none."""

    def __init__(self, lab: Lab, sandbox: Mapping[str, Any], jails: Jails, callbacks: Callbacks) -> None:
        self._lab, self._sandbox, self._jails, self._on = lab, sandbox, jails, callbacks
        self._instances: dict[int, jail.Process] = {}
        self._output = Batches(callbacks.lines, callbacks.cut, callbacks.broken)

    def start(self, number: int, program: Path, env: Mapping[str, str], args: tuple[str, ...] = ()) -> None:
        """Start one instance. Raises ValueError when the number was used, StartFailed, Cancelled."""
        if number in self._instances or len(self._instances) >= MAX_INSTANCES:
            raise ValueError(f"instance {number} cannot be started")
        process = self._jails.start(self._command(program, env, args), on_output=self._output.feed)
        self._instances[number] = process
        threading.Thread(target=self._await_end, args=(number, process), daemon=True).start()

    def stop(self, number: int) -> None:
        self._instances[number].terminate()

    def kill(self, number: int) -> None:
        self._instances[number].kill()

    def close(self) -> None:
        """End the flushing thread. The jails are closed by their owner."""
        self._output.close()

    def _command(self, program: Path, env: Mapping[str, str], args: tuple[str, ...]) -> jail.Command:
        limits = self._lab.limits
        files: dict[str, bytes] = {}
        ours = {"HOME": "/tmp", "TMPDIR": "/tmp"}
        if self._sandbox:
            port = int(self._sandbox["endpoints"]["gate"].rpartition(":")[2])
            text = kubeconfig(port, self._sandbox["ca"].encode(), self._sandbox["tokens"]["learner"])
            files["kubeconfig"] = text.encode()
            ours["KUBECONFIG"] = "/work/kubeconfig"
        return jail.Command(
            argv=("/program", *args),
            env={**env, **ours},
            binds=(jail.Bind(program, "/program"),),
            files=files,
            limits=jail.Limits(
                memory_bytes=limits.memory_bytes,
                processes=limits.processes,
                cpus=1.0,
                wall_seconds=limits.seconds * pace.CROWDED + _SPARE_SECONDS,
                disk_bytes=64 * MIB,
                output_bytes=_OUTPUT_BYTES,
            ),
            network=self._sandbox.get("netns"),
            label="learner",
        )

    def _await_end(self, number: int, process: jail.Process) -> None:
        try:
            result = process.wait()
        except StartFailed as error:
            self._on.broken(f"{error}\n{error.log}")
            return
        assert result is not None  # without a timeout it waits
        self._on.ended(number, result, self._output)
