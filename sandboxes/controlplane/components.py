"""The four processes of a control plane, each as a command for the jail.

Flags differ from a production cluster's only where a note says so.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandboxes.controlplane.certificates import Authority, Pair, key_pem, new_key
from sandboxes.controlplane.tokens import Tokens
from sandboxes.jail import MIB, Bind, Command, Limits

ETCD_PORT, ETCD_PEER_PORT = 2379, 2380
API_PORT, GATE_PORT, GATE_CONTROL_PORT = 6443, 6444, 6445

# A seed holds what these two hooks write, and each begins with a second of waiting.
READY_SEEDED = (
    "/readyz?exclude=poststarthook/rbac/bootstrap-roles"
    "&exclude=poststarthook/scheduling/bootstrap-system-priority-classes"
)

AUDIT_LOG_BYTES = 1024 * MIB  # past it the API server goes on and tells nobody what it did
_AUDIT_POLICY = Path(__file__).with_name("audit-policy.yaml")
_PKI = "pki"
_ATTEMPTS = 8
# Without nodes there is nothing for the node, volume and cloud controllers to do, and they cost memory.
_CONTROLLERS = (
    "namespace-controller",
    "garbage-collector-controller",
    "statefulset-controller",
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "cronjob-controller",
    "serviceaccount-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "resourcequota-controller",
    "disruption-controller",
    "root-ca-certificate-publisher-controller",
    "persistentvolumeclaim-protection-controller",
)


@dataclass(frozen=True)
class Plan:
    """What the processes of one sandbox share."""

    id: str
    binaries: Path
    apigate: Path
    network: str
    authority: Authority
    tokens: Tokens
    service_account_key: bytes
    audit_log: Path

    @classmethod
    def make(cls, id_: str, binaries: Path, apigate: Path, network: str, audit_log: Path) -> Plan:
        authority = Authority(f"lastmile {id_}")
        return cls(id_, binaries, apigate, network, authority, Tokens.make(), key_pem(new_key()), audit_log)


def _pki(plan: Plan, pair: Pair) -> dict[str, bytes]:
    return {
        f"{_PKI}/ca.crt": plan.authority.certificate,
        f"{_PKI}/tls.crt": pair.certificate,
        f"{_PKI}/tls.key": pair.key,
    }


def _limits(memory: int, disk: int = 256 * MIB) -> Limits:
    return Limits(
        memory_bytes=memory,
        processes=256,
        cpus=4,
        wall_seconds=0,
        disk_bytes=disk,
        output_bytes=0,
        open_files=16_384,
    )


def etcd(plan: Plan, seed: Mapping[str, bytes] | None = None) -> Command:
    # Client certificates on both ports: the learner's process shares this loopback.
    # unsafe-no-fsync: what a crash of the host would lose is thrown away anyhow.
    pki = f"/work/{_PKI}"
    client, peer = f"https://127.0.0.1:{ETCD_PORT}", f"https://127.0.0.1:{ETCD_PEER_PORT}"
    argv = (
        "/etcd",
        "--name=lab",
        "--data-dir=/work/data",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=lab={peer}",
        f"--cert-file={pki}/tls.crt",
        f"--key-file={pki}/tls.key",
        f"--trusted-ca-file={pki}/ca.crt",
        "--client-cert-auth",
        f"--peer-cert-file={pki}/tls.crt",
        f"--peer-key-file={pki}/tls.key",
        f"--peer-trusted-ca-file={pki}/ca.crt",
        "--peer-client-cert-auth",
        "--unsafe-no-fsync",
        f"--quota-backend-bytes={192 * MIB}",
        "--log-level=error",
    )
    return Command(
        argv,
        # its files are on a tmpfs and count as its memory too, so the heap has to leave room for them
        env={"GOMEMLIMIT": str(256 * MIB)},
        binds=(Bind(plan.binaries / "etcd", "/etcd"),),
        files={**_pki(plan, plan.authority.issue("etcd")), **(seed or {})},
        limits=_limits(768 * MIB, 512 * MIB),
        network=plan.network,
        label=f"{plan.id}-etcd",
    )


def kube_apiserver(plan: Plan) -> Command:
    pki = f"/work/{_PKI}"
    flags = (
        f"--etcd-servers=https://127.0.0.1:{ETCD_PORT}",
        f"--etcd-cafile={pki}/ca.crt",
        f"--etcd-certfile={pki}/tls.crt",
        f"--etcd-keyfile={pki}/tls.key",
        f"--secure-port={API_PORT}",
        "--bind-address=127.0.0.1",
        # without a default route the API server cannot choose one itself
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={pki}/tls.crt",
        f"--tls-private-key-file={pki}/tls.key",
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        "--token-auth-file=/work/tokens.csv",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=/work/sa.key",
        "--service-account-signing-key-file=/work/sa.key",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--audit-policy-file=/audit-policy.yaml",
        # standard output is the audit log; the server's own log goes to standard error
        "--audit-log-path=-",
        "--profiling=false",
    )
    script = 'exec /kube-apiserver "$@" >&9'
    return Command(
        ("/bin/sh", "-c", script, "kube-apiserver", *flags),
        env={"PATH": "/usr/bin:/bin", "GOMEMLIMIT": str(832 * MIB)},
        binds=(
            Bind(plan.binaries / "kube-apiserver", "/kube-apiserver"),
            Bind(_AUDIT_POLICY, "/audit-policy.yaml"),
        ),
        files={
            **_pki(plan, plan.authority.issue("kube-apiserver")),
            "tokens.csv": plan.tokens.csv(),
            "sa.key": plan.service_account_key,
        },
        limits=_limits(1024 * MIB, AUDIT_LOG_BYTES),
        network=plan.network,
        export=plan.audit_log,
        system=True,
        label=f"{plan.id}-apiserver",
    )


def kube_controller_manager(plan: Plan) -> Command:
    flags = (
        "--kubeconfig=/work/kubeconfig",
        "--leader-elect=false",
        "--secure-port=0",
        "--use-service-account-credentials=false",
        "--service-account-private-key-file=/work/sa.key",
        f"--root-ca-file=/work/{_PKI}/ca.crt",
        f"--controllers={','.join(_CONTROLLERS)}",
        "--profiling=false",
        # the defaults of 20 and 30 make a fresh, empty control plane wait on itself
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    )
    # It gives up on an API server that is not healthy within ten seconds, and a busy machine may need more. A
    # kubelet would start it again, so this does.
    script = f'for attempt in $(seq {_ATTEMPTS}); do /kube-controller-manager "$@" && exit; done; exit 1'
    return Command(
        ("/bin/sh", "-c", script, "kube-controller-manager", *flags),
        env={"PATH": "/usr/bin:/bin", "GOMEMLIMIT": str(416 * MIB)},
        system=True,
        binds=(Bind(plan.binaries / "kube-controller-manager", "/kube-controller-manager"),),
        files={
            f"{_PKI}/ca.crt": plan.authority.certificate,
            "sa.key": plan.service_account_key,
            "kubeconfig": kubeconfig(
                API_PORT, plan.authority.certificate, plan.tokens.controller_manager
            ).encode(),
        },
        limits=_limits(512 * MIB),
        network=plan.network,
        label=f"{plan.id}-kcm",
    )


def apigate(plan: Plan) -> Command:
    config = {
        "listen": f"127.0.0.1:{GATE_PORT}",
        "control": f"127.0.0.1:{GATE_CONTROL_PORT}",
        "upstream": f"https://127.0.0.1:{API_PORT}",
        "ca_file": f"/work/{_PKI}/ca.crt",
        "cert_file": f"/work/{_PKI}/tls.crt",
        "key_file": f"/work/{_PKI}/tls.key",
        "learner_token": plan.tokens.learner,
        "upstream_token": plan.tokens.operator,
        "control_token": plan.tokens.gate_control,
        "max_writes": 20_000,
        "max_write_bytes": 64 * MIB,
        "max_per_second": 400,
        "max_read_rate": 8 * MIB,
        "read_burst": 64 * MIB,
    }
    return Command(
        ("/apigate", "-config", "/work/config.json"),
        # its journal and what is under way are bounded; below the limit Go collects instead of growing
        env={"GOMEMLIMIT": str(144 * MIB)},
        binds=(Bind(plan.apigate, "/apigate"),),
        files={**_pki(plan, plan.authority.issue("apigate")), "config.json": json.dumps(config).encode()},
        limits=_limits(256 * MIB, 16 * MIB),
        network=plan.network,
        label=f"{plan.id}-gate",
    )


def kubeconfig(port: int, ca: bytes, token: str) -> str:
    """A kubeconfig for 127.0.0.1:`port`, as JSON, which is YAML too."""
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority-data": base64.b64encode(ca).decode(),
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "current-context": "lab",
        }
    )
