"""etcd, kube-apiserver, kube-controller-manager and apigate as local processes: envtest's idea, kept in.

Bring-up is a list of announced actions; whatever fails, all that was started is ended again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from sandboxes import folders, netns
from sandboxes.controlplane import components, manifests, seed
from sandboxes.controlplane.client import ApiError, Client
from sandboxes.controlplane.sandbox import ControlPlane
from sandboxes.controlplane.waiting import NotComing, wait_until
from sandboxes.interface import Handle, Progress, Report, Spec, StartFailed, Unavailable
from sandboxes.jail import Command, Process, bubblewrap, start
from sandboxes.paths import cache_dir

KUBERNETES_VERSION = "v1.36.3"
_BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager")
_START_SECONDS = 120.0


class ControlPlaneProvider:
    """`options`: manifests, a list of YAML files that are applied before the controllers start."""

    kind: ClassVar[str] = "controlplane"

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache or cache_dir()

    @property
    def binaries(self) -> Path:
        return self.cache / "kubernetes" / KUBERNETES_VERSION

    @property
    def apigate(self) -> Path:
        return self.cache / "bin" / "apigate"

    def probe(self) -> None:
        bubblewrap()
        missing = [n for n in _BINARIES if not (self.binaries / n).exists()]
        if not self.apigate.exists():
            missing.append("apigate")
        if missing:
            raise Unavailable(f"missing {', '.join(missing)} below {self.cache}: make setup")
        if os.geteuid() != 0:
            raise Unavailable("a control plane needs a network namespace of its own: run as root")

    def start(self, spec: Spec, report: Report) -> ControlPlane:
        self.probe()
        objects = list(manifests.read([manifests.GUARD, *spec.options.get("manifests", [])]))
        with contextlib.ExitStack() as undo:
            id_ = f"cp-{secrets.token_hex(4)}"
            folder = folders.create(self.kind, id_)
            undo.callback(folders.remove, folder)
            network = netns.NetNS.create()
            undo.callback(network.close)
            audit_log = folder / "audit.log"
            audit_log.touch()
            plan = components.Plan.make(id_, self.binaries, self.apigate, network.path, audit_log)
            bring_up = _BringUp(plan, network, undo, report)
            bring_up.run(self._seed(objects, report))
            return ControlPlane(plan, network, folder, bring_up.processes, undo.pop_all())

    def _seed(self, objects: list[dict[str, Any]], report: Report) -> Mapping[str, bytes]:
        """The store to begin with; made first when these manifests were never started here."""
        folder = self.cache / "seeds" / seed.key(KUBERNETES_VERSION, objects)
        if (found := seed.read(folder)) is None:
            with seed.making(folder):
                if not folder.is_dir():
                    self._make_seed(objects, folder, report)
            found = seed.read(folder)
        assert found is not None
        return found

    def _make_seed(self, objects: list[dict[str, Any]], folder: Path, report: Report) -> None:
        with contextlib.ExitStack() as undo:
            id_ = f"seed-{secrets.token_hex(4)}"
            scratch = folders.create(self.kind, id_)
            undo.callback(folders.remove, scratch)
            network = netns.NetNS.create()
            undo.callback(network.close)
            export = scratch / "etcd.tar"
            for file in (export, scratch / "audit.log"):
                file.touch()
            plan = components.Plan.make(id_, self.binaries, self.apigate, network.path, scratch / "audit.log")
            bring_up = _BringUp(plan, network, undo, report)
            seed.store(bring_up.fill(objects, export), export, folder)

    def attach(self, handle: Handle) -> ControlPlane:
        """A view on a sandbox of another process; closing it does not end the sandbox."""
        return ControlPlane.attached(handle)

    def find(self) -> Iterator[Handle]:
        for entry in folders.find(self.kind):
            yield Handle(
                self.kind, entry.id, entry.boot_id, {"dir": str(entry.path), "owner_alive": entry.owner_alive}
            )


class _BringUp:
    """The ordered actions. Each is timed and announced; each has the sandbox's deadline."""

    def __init__(
        self, plan: components.Plan, network: netns.NetNS, undo: contextlib.ExitStack, report: Report
    ) -> None:
        self.plan, self.network, self.undo, self.report = plan, network, undo, report
        self.deadline = time.monotonic() + _START_SECONDS
        self.processes: dict[str, Process] = {}
        self.client = Client(
            network.path, components.API_PORT, plan.authority.certificate, plan.tokens.supervisor
        )

    def run(self, store: Mapping[str, bytes]) -> None:
        """Start everything upon a seed."""
        self._step("etcd", lambda: self._etcd(components.etcd(self.plan, store)))
        self._step("kube-apiserver", lambda: self._api_server(components.READY_SEEDED))
        self._step("kube-controller-manager", self._controller_manager)

    def fill(self, objects: list[dict[str, Any]], export: Path) -> Process:
        """Start upon an empty store, without controllers, apply `objects`; returns etcd, alone, to be ended."""
        self._step("etcd, first time", lambda: self._etcd(seed.exporting(components.etcd(self.plan), export)))
        self._step("kube-apiserver, first time", lambda: self._api_server("/readyz"))
        self._step("manifests", lambda: manifests.apply(self.client, objects, self.deadline))
        for name in ("apigate", "kube-apiserver"):
            self.processes[name].kill()
        return self.processes["etcd"]

    def _step(self, name: str, action: Callable[[], None]) -> None:
        self.report(Progress(name))
        begun = time.monotonic()
        try:
            action()
        except (NotComing, OSError, ApiError) as error:
            log = "\n".join(
                f"--- {n}\n{p.output().decode(errors='replace')[-4000:]}" for n, p in self.processes.items()
            )
            raise StartFailed(f"{name}: {error}", log) from error
        self.report(Progress(name, done=True, seconds=round(time.monotonic() - begun, 3)))

    def _launch(self, name: str, command: Command) -> Process:
        process = start(command)
        self.undo.callback(process.kill)
        self.processes[name] = process
        return process

    def _wait(self, process: Process, ready: Callable[[], bool], what: str) -> None:
        def ready_or_dead() -> bool:
            if not process.running:
                raise NotComing(f"it ended before {what}")
            return ready()

        wait_until(ready_or_dead, self.deadline, what)

    def _listens(self, port: int) -> bool:
        self.network.connect(port, timeout=1.0).close()
        return True

    def _etcd(self, command: Command) -> None:
        process = self._launch("etcd", command)
        self._wait(process, lambda: self._listens(components.ETCD_PORT), "its client port")

    def _api_server(self, ready: str) -> None:
        process = self._launch("kube-apiserver", components.kube_apiserver(self.plan))
        # apigate needs only the API server's address, so that its start is hidden behind the API server's
        gate = self._launch("apigate", components.apigate(self.plan))
        self._wait(process, lambda: self.client.call("GET", ready)[0] == 200, ready)
        self._wait(gate, lambda: self._listens(components.GATE_PORT), "apigate's port")

    def _controller_manager(self) -> None:
        # it waits by itself until the API server's last hook has run; `ControlPlane.settle` waits for it
        self._launch("kube-controller-manager", components.kube_controller_manager(self.plan))
