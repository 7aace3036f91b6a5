"""A stock start: what envtest does with the same binaries, to have something to compare with.

etcd, then kube-apiserver with the flags of controller-runtime's envtest, both on loopback, until /readyz
says yes. No controllers, no manifests, no jail, no audit log. Source: sigs.k8s.io/controller-runtime,
pkg/internal/testing/controlplane.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sandboxes.controlplane.certificates import key_pem, new_key

_TOKEN = "bench"


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextlib.contextmanager
def _process(argv: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _ready(port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
    try:
        connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {_TOKEN}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def start_seconds(binaries: Path, timeout: float = 60.0) -> float:
    """Seconds from nothing to /readyz; everything is ended and removed before it returns."""
    folder = Path(tempfile.mkdtemp(prefix="lastmile-bench-"))
    etcd_port, peer_port, port = _free_port(), _free_port(), _free_port()
    (folder / "sa.key").write_bytes(key_pem(new_key()))
    (folder / "tokens").write_text(f'{_TOKEN},admin,admin,"system:masters"\n')
    etcd = [
        str(binaries / "etcd"),
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
        f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
        f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
        "--unsafe-no-fsync",
    ]
    api = [
        str(binaries / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--cert-dir={folder}",
        f"--token-auth-file={folder}/tokens",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://127.0.0.1/",
        f"--service-account-key-file={folder}/sa.key",
        f"--service-account-signing-key-file={folder}/sa.key",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
        "--allow-privileged=true",
    ]
    begun = time.monotonic()
    try:
        with _process(etcd, folder / "etcd.log"), _process(api, folder / "api.log") as server:
            while not _ready(port):
                if server.poll() is not None or time.monotonic() - begun > timeout:
                    raise RuntimeError((folder / "api.log").read_text()[-2000:])
                time.sleep(0.015)
            return time.monotonic() - begun
    finally:
        shutil.rmtree(folder, ignore_errors=True)
