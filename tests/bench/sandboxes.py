"""Lease and cold start against a stock start; the memory of an idle sandbox."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from labs.harness import manifest
from labs.harness.leasing import sandbox_specs
from sandboxes.controlplane import ControlPlaneProvider
from sandboxes.controlplane.sandbox import ControlPlane
from sandboxes.interface import Spec
from sandboxes.pool import client, messages
from tests.bench import stock
from tests.bench.figures import Row, Series, ratios

LAB = "operators/database"


def spec() -> Spec:
    return sandbox_specs(manifest.load(LAB))[""]


@contextlib.contextmanager
def pool(run: Path) -> Iterator[None]:
    """A daemon of our own in `run`, with LASTMILE_RUN set for this process too."""
    os.environ["LASTMILE_RUN"] = str(run)
    daemon = subprocess.Popen([sys.executable, "-m", "sandboxes.pool"], stderr=subprocess.DEVNULL)
    try:
        while not messages.socket_path().exists():
            time.sleep(0.02)
        yield
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)


def _await_warm(count: int) -> None:
    while (status := client.status()) is None or status["warm"] < count:
        time.sleep(0.05)


def _pss_bytes(sandbox: ControlPlane) -> int:
    """Memory of all its processes, shared pages split fairly: jailed ones and their keepers."""
    total = 0
    for keeper in (p.pid for p in sandbox.processes.values()):
        for pid in [keeper, *_descendants(keeper)]:
            with contextlib.suppress(OSError):
                rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += next(int(r.split()[1]) * 1024 for r in rows if r.startswith("Pss:"))
    return total


def _descendants(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        children = [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return children + [d for c in children for d in _descendants(c)]
    return []


def measure(rounds: int, run: Path) -> list[Row]:
    """Interleaved: stock, cold, lease, and again."""
    provider, wanted = ControlPlaneProvider(), spec()
    stock_s, cold, settled, lease = Series(), Series(), Series(), Series()
    memory = Series("MiB")
    with pool(run):
        client.keep_warm(wanted, 1)
        for _ in range(rounds):
            _await_warm(1)
            stock_s.add(stock.start_seconds(provider.binaries))
            begun = time.monotonic()
            sandbox = provider.start(wanted, lambda _: None)
            cold.add(time.monotonic() - begun)
            sandbox.settle()
            settled.add(time.monotonic() - begun)
            memory.add(_pss_bytes(sandbox) / (1 << 20))
            sandbox.close()
            begun = time.monotonic()
            with client.lease(wanted):
                lease.add(time.monotonic() - begun)
    return [
        Row("stock start (etcd + kube-apiserver to /readyz)", stock_s),
        Row("cold start of a sandbox (API ready, jailed, audited, lab's CRDs served)", cold),
        Row("cold start until the controllers work", settled),
        Row("lease of a warm sandbox", lease),
        Row("lease / stock start", ratios(lease, stock_s), aim=1 / 20),
        Row("cold / stock start", ratios(cold, stock_s), aim=0.7),
        Row("memory of an idle sandbox (PSS, four processes and their keepers)", memory),
    ]
