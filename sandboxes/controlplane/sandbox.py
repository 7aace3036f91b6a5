"""One running control plane."""

from __future__ import annotations

import contextlib
import errno
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sandboxes import folders, netns
from sandboxes.controlplane import components
from sandboxes.controlplane.client import ApiError, Client
from sandboxes.controlplane.waiting import wait_until
from sandboxes.interface import Completed, Handle, RunDelay, StartFailed
from sandboxes.jail import Command, DelayMeter, Limits, Process, run
from sandboxes.netns import NetNS

# Estimates, not measured: so many end a run; a quarter of it explains why one broke.
_AUDIT_SPARE_BYTES = 16 << 20  # a write that is under way may be in the log ten times as long as it is
_MOST_SOCKETS = 4000

_ENDPOINTS = {
    "api": f"https://127.0.0.1:{components.API_PORT}",
    "gate": f"https://127.0.0.1:{components.GATE_PORT}",
    "gate_control": f"https://127.0.0.1:{components.GATE_CONTROL_PORT}",
}


def _end_of(process: Process) -> str:
    """Why a process that does not run any more ended, in the words of `ailments`."""
    try:
        result = process.wait(0)
    except StartFailed:
        return "ended"
    return "memory" if result is not None and result.stopped_by == "memory" else "ended"


class ControlPlane:
    """Keeps sandboxes.interface.Sandbox. The process that started it owns it; others are attached."""

    def __init__(
        self,
        plan: components.Plan,
        network: NetNS,
        folder: Path,
        processes: dict[str, Process],
        undo: contextlib.ExitStack,
    ) -> None:
        tokens = plan.tokens
        data = {
            "netns": network.path,
            "ca": plan.authority.certificate.decode(),
            "tokens": {
                "grader": tokens.grader,
                "gate_control": tokens.gate_control,
                "learner": tokens.learner,
            },
            "audit_log": str(plan.audit_log),
            "dir": str(folder),
            "endpoints": _ENDPOINTS,
        }
        self.handle = Handle("controlplane", plan.id, folders.boot_id(), data)
        self.processes = processes
        self._meter = DelayMeter()
        self._undo: contextlib.ExitStack | None = undo
        self._healthy = self._own_healthy

    @classmethod
    def attached(cls, handle: Handle) -> ControlPlane:
        self = cls.__new__(cls)
        self.handle, self.processes, self._undo = handle, {}, contextlib.ExitStack()
        self._healthy = lambda: True
        self._meter = DelayMeter()
        return self

    _healthy: Callable[[], bool]

    def _own_healthy(self) -> bool:
        return all(p.running for p in self.processes.values())

    @property
    def endpoints(self) -> Mapping[str, str]:
        endpoints: Mapping[str, str] = self.handle.data["endpoints"]
        return endpoints

    def client(self) -> Client:
        """The API as the grader's user, from outside."""
        data = self.handle.data
        return Client(data["netns"], components.API_PORT, data["ca"].encode(), data["tokens"]["grader"])

    def alive(self) -> bool:
        """Whether its processes run and the API server says it is ready."""
        if self._undo is None or not self._healthy():
            return False
        try:
            return self.client().call("GET", components.READY_SEEDED, timeout=3.0)[0] == 200
        except OSError:
            return False

    def standing(self) -> bool:
        """Whether its processes are there. Unlike `alive` it can be asked while frozen."""
        return self._undo is not None and self._healthy()

    def ailments(self, deep: bool = False) -> dict[str, str]:
        """What keeps it from being believed or used, by part: {} when it is well.

        A process that ended: "memory" (its limit), else "ended". "store": "full" when etcd takes no more,
        which is found out only when `deep`.
        "connections": "too many" while far more are open than a lab needs. "audit": "full" when the API server is
        about to say no more of what it does.
        """
        found = {name: _end_of(process) for name, process in self.processes.items() if not process.running}
        if self._undo is None:
            found["sandbox"] = "ended"
        elif not found:
            found = self._crowded(_MOST_SOCKETS // 4) | self._full() if deep else self._crowded(_MOST_SOCKETS)
            found |= self._said_too_much()
        return found

    def _said_too_much(self) -> dict[str, str]:
        size = Path(self.handle.data["audit_log"]).stat().st_size
        return {"audit": "full"} if size > components.AUDIT_LOG_BYTES - _AUDIT_SPARE_BYTES else {}

    def _crowded(self, most: int) -> dict[str, str]:
        sockets = netns.tcp_sockets(self.handle.data["netns"])
        return {"connections": "too many"} if sockets > most else {}

    def _full(self) -> dict[str, str]:
        """By a write: etcd answers every one with its alarm once the quota was reached."""
        probe = {"metadata": {"generateName": "probe-", "namespace": "kube-system"}}
        try:
            self.client().create("/api/v1/namespaces/kube-system/configmaps", probe)
        except ApiError as error:
            return {"store": "full"} if "database space exceeded" in str(error) else {}
        except OSError as error:
            # its ports for connections that go out are taken, all of them
            return {"connections": "too many"} if error.errno == errno.EADDRNOTAVAIL else {}
        return {}

    def run_delay(self) -> RunDelay | None:
        """How its threads ran, and waited for a processor, since this was asked first. Asked of its owner."""
        pids = [pid for process in self.processes.values() for pid in process.pids()]
        return self._meter.look(pids) if self.processes else None

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until the controllers work: they have made the default service account. Raises TimeoutError."""
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        client = self.client()
        wait_until(
            lambda: client.call("GET", account)[0] == 200, time.monotonic() + timeout, "the controllers"
        )

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 10.0) -> Completed:
        """Run a command of the host's /usr in a jail that has this sandbox's network."""
        self._open()
        limits = Limits(wall_seconds=timeout)
        command = Command(
            argv, {"PATH": "/usr/bin:/bin"}, limits=limits, network=self.handle.data["netns"], system=True
        )
        return run(command, stdin)

    def put(self, src: Path, dest: str) -> None:
        """Copy a file into the sandbox's folder on the host (jails see it when it is bound)."""
        self._open()
        shutil.copyfile(src, self._inside(dest))

    def get(self, src: str, dest: Path) -> None:
        self._open()
        shutil.copyfile(self._inside(src), dest)

    def collect(self, into: Path) -> None:
        """Copy the evidence: the audit log and each process's last words."""
        self._open()
        shutil.copyfile(self.handle.data["audit_log"], into / "audit.log")
        for name, process in self.processes.items():
            (into / f"{name}.log").write_bytes(process.output())

    def freeze(self, frozen: bool) -> None:
        """A frozen sandbox costs memory and no processor time. All its processes stop and go on together."""
        for process in self.processes.values():
            process.freeze(frozen)

    def close(self) -> None:
        undo, self._undo = self._undo, None
        if undo is not None:
            undo.close()

    def _open(self) -> None:
        if self._undo is None:
            raise RuntimeError(f"sandbox {self.handle.id} is closed")

    def _inside(self, name: str) -> Path:
        folder = Path(self.handle.data["dir"])
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ValueError(f"{name!r} is outside of the sandbox's folder")
        return path
