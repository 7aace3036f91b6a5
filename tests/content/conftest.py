"""A real control plane, and an etcd of its own, for the programs and scripts of the chapters."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.controlplane import ControlPlane, ControlPlaneProvider
from sandboxes.interface import Spec
from tests.content.machine import KUBERNETES, Cluster, environment, run
from tests.content.reading import EXAMPLES


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One control plane for all scripts; each script leaves nothing behind but namespaces that end."""
    with tempfile.TemporaryDirectory(prefix="lm-content-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LASTMILE_RUN", folder)
        sandbox = ControlPlaneProvider().start(Spec("controlplane"), lambda progress: None)
        try:
            sandbox.settle()
            yield sandbox
        finally:
            sandbox.close()


def _kubeconfig(plane: ControlPlane) -> str:
    cluster = {"server": plane.endpoints["api"], "insecure-skip-tls-verify": True}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": {"token": plane.handle.data["tokens"]["grader"]}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        }
    )


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The control plane as the chapters' reader has it: kubectl, and the definition of Site."""
    kubeconfig = tmp_path_factory.mktemp("kube") / "config"
    kubeconfig.write_text(_kubeconfig(plane))
    env = environment({"KUBECONFIG": str(kubeconfig)})
    cluster = Cluster(plane.handle.data["netns"], Path(plane.handle.data["audit_log"]), env)
    for command in (
        "kubectl apply -f site/crd.yaml",
        "kubectl wait --for=condition=Established crd/sites.web.example.com --timeout=30s",
    ):
        code, said = cluster.run(["sh", "-c", command], EXAMPLES / "operators")
        assert code == 0, said
    return cluster


@pytest.fixture
def no_site(cluster: Cluster) -> Iterator[None]:
    """There is no Site `hello`, neither before nor after."""
    away = (
        """kubectl patch site hello --type=merge -p '{"metadata":{"finalizers":null}}'; """
        "kubectl delete site hello --ignore-not-found"
    )
    yield
    cluster.run(["sh", "-c", away], EXAMPLES)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a reader with an etcd: ETCD, its address, and ETCD_DATA, its folder."""
    data = tmp_path_factory.mktemp("etcd")
    client, peer = (f"http://127.0.0.1:{_free_port()}" for _ in range(2))
    process = subprocess.Popen(
        [
            KUBERNETES / "etcd",
            f"--data-dir={data}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ],
        env={"PATH": os.defpath},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not _healthy(client):
            assert process.poll() is None, "etcd ended"
            assert time.monotonic() < deadline, "etcd does not come up"
            time.sleep(0.05)
        yield {"ETCD": client, "ETCD_DATA": str(data)}
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def compiled() -> None:
    """The examples compile and vet, so that what a test then runs is up to date in the build cache."""
    code, said = run(["go", "vet", "./..."], EXAMPLES, environment())
    assert code == 0, said
