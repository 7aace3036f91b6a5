"""What a program in a control plane's network can reach, with every token that it could have."""

from __future__ import annotations

import contextlib
import errno
import json
import secrets
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from sandboxes import netns
from sandboxes.controlplane import ControlPlane, components, sandbox
from sandboxes.controlplane.client import ApiError, Client
from tests.sandboxes.attacks import perl, said, sh
from tests.sandboxes.learners import allow, learner, status
from tests.sandboxes.machine import await_true

pytestmark = pytest.mark.system

_PATHS = (
    "/readyz",
    "/livez",
    "/version",
    "/metrics",
    "/api",
    "/api/v1/namespaces",
    "/openapi/v2",
    "/debug/pprof/",
)
# state 0A is LISTEN. Source: man 5 proc, /proc/net/tcp
_LISTENING = r'open(F, "/proc/net/tcp"); for (<F>) { print hex($1), " " if /^ *\d+: \w+:(\w+) \w+:\w+ 0A / }'


def test_it_works(plane: ControlPlane) -> None:
    assert plane.client().get("/version")["gitVersion"].startswith("v1.36")
    assert learner(plane, "GET", "/version") == 200


def test_it_listens_where_it_should_and_nowhere_else(plane: ControlPlane) -> None:
    ports = said(perl(_LISTENING, network=plane.handle.data["netns"]))
    expected = {
        components.ETCD_PORT,
        components.ETCD_PEER_PORT,
        components.API_PORT,
        components.GATE_PORT,
        components.GATE_CONTROL_PORT,
    }
    assert {int(p) for p in ports.split()} == expected
    script = "cat /proc/net/udp /proc/net/udp6 /proc/net/tcp6 /proc/net/unix | grep -v -e local_address -e RefCount"
    assert said(sh(script, network=plane.handle.data["netns"])) == ""


def test_the_learner_cannot_take_over_a_port(plane: ControlPlane) -> None:
    script = """
use Socket; for (@ARGV) { socket(my $s, PF_INET, SOCK_STREAM, 0);
    setsockopt($s, SOL_SOCKET, $_, 1) for SO_REUSEADDR, 15;
    print bind($s, sockaddr_in($_, $^O ? INADDR_ANY : 0)) && listen($s, 1) ? "taken " : "kept " }
"""
    ports = (components.ETCD_PORT, components.API_PORT, components.GATE_PORT, components.GATE_CONTROL_PORT)
    assert said(perl(script, *map(str, ports), network=plane.handle.data["netns"])).split() == ["kept"] * 4


@pytest.mark.parametrize("who", ["nobody", "a stranger", "learner", "gate_control"])
def test_the_api_server_takes_no_token_of_the_learner(plane: ControlPlane, who: str) -> None:
    tokens = {**plane.handle.data["tokens"], "nobody": "", "a stranger": secrets.token_urlsafe(24)}
    for path in _PATHS:
        assert status(plane, components.API_PORT, tokens[who], "GET", path) == 401, path
    assert status(plane, components.API_PORT, tokens[who], "POST", "/api/v1/namespaces", {}) == 401


@pytest.mark.parametrize("who", ["nobody", "a stranger", "grader", "gate_control"])
def test_apigate_takes_the_learner_s_token_only(plane: ControlPlane, who: str) -> None:
    tokens = {**plane.handle.data["tokens"], "nobody": "", "a stranger": secrets.token_urlsafe(24)}
    assert status(plane, components.GATE_PORT, tokens[who], "GET", "/version") == 401


def test_apigate_s_control_port_takes_the_grader_s_token_only(plane: ControlPlane) -> None:
    tokens = plane.handle.data["tokens"]
    for token, expected in (("", b"401"), (tokens["learner"], b"401"), (tokens["gate_control"], b"200")):
        with netns.connect(plane.handle.data["netns"], components.GATE_CONTROL_PORT) as raw:
            head = f"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
            assert _exchange(plane, raw, head.encode()).split()[1] == expected


def test_apigate_s_control_port_says_nothing_in_the_clear(plane: ControlPlane) -> None:
    token = plane.handle.data["tokens"]["gate_control"]
    with netns.connect(plane.handle.data["netns"], components.GATE_CONTROL_PORT) as s:
        s.sendall(f"GET /requests HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        assert s.recv(4096).split()[1] == b"400"


def test_a_crowd_of_connections_is_seen(plane: ControlPlane) -> None:
    network = plane.handle.data["netns"]
    assert plane.ailments(deep=True) == {}
    with contextlib.ExitStack() as undo:
        crowd = [undo.enter_context(netns.connect(network, components.API_PORT)) for _ in range(20)]
        assert netns.tcp_sockets(network) >= 2 * len(crowd)


@pytest.mark.parametrize("port", [components.ETCD_PORT, components.ETCD_PEER_PORT])
def test_etcd_speaks_to_nobody_without_a_certificate(plane: ControlPlane, port: int) -> None:
    """Neither in the clear nor with TLS: the handshake of version 1.3 shows it only at the first read."""
    request = b"POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n" + b'{"key":"AA=="}'
    with netns.connect(plane.handle.data["netns"], port) as s:
        s.sendall(request)
        assert b"kvs" not in s.recv(4096)
    with (
        netns.connect(plane.handle.data["netns"], port) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        _exchange(plane, raw, request)


def _exchange(plane: ControlPlane, raw: socket.socket, request: bytes) -> bytes:
    """Send it over TLS, and all that comes back until the other side ends."""
    context = ssl.create_default_context(cadata=plane.handle.data["ca"])
    with context.wrap_socket(raw, server_hostname="127.0.0.1") as s:
        s.sendall(request)
        return b"".join(iter(lambda: s.recv(65536), b""))


def test_the_operator_may_do_only_what_the_lab_gives_it(plane: ControlPlane) -> None:
    """No manifests were applied here, so it may do next to nothing; it must not be able to change that."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "mine"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": "operator"}],
    }
    account = "/api/v1/namespaces/kube-system/serviceaccounts"
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    for method, path, body in (
        ("GET", "/api/v1/namespaces", None),
        ("GET", "/api/v1/secrets", None),
        ("GET", "/api/v1/namespaces/kube-system/configmaps", None),
        ("DELETE", "/api/v1/namespaces/kube-system", None),
        ("DELETE", "/api/v1/namespaces/default", None),
        ("POST", "/api/v1/namespaces", {"metadata": {"name": "mine"}}),
        ("POST", f"{rbac}/clusterrolebindings", binding),
        ("DELETE", f"{rbac}/clusterroles/cluster-admin", None),
        ("POST", f"{account}/default/token", token),
        ("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {}),
        ("POST", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", {}),
        ("GET", "/logs/", None),
        ("GET", "/metrics", None),
        ("GET", "/debug/pprof/profile?seconds=1", None),
    ):
        assert learner(plane, method, path, body) in (403, 404), (method, path)
    names = {n["metadata"]["name"] for n in plane.client().get("/api/v1/namespaces")["items"]}
    assert {"default", "kube-system"} <= names


@pytest.mark.parametrize(("replicas", "status"), [(50, 201), (51, 422)])
def test_the_learner_cannot_make_the_controllers_flood_etcd(
    plane: ControlPlane, replicas: int, status: int
) -> None:
    path = "/apis/apps/v1/namespaces/default/statefulsets"
    allow(plane, "apps", "statefulsets", ["list", "create"])
    await_true(lambda: learner(plane, "GET", path) == 200, 10, "the right to list")
    labels = {"app": "many"}
    spec = {
        "replicas": replicas,
        "serviceName": "many",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    }
    made = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "many"}, "spec": spec}
    assert learner(plane, "POST", f"{path}?dryRun=All", made) == status


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (OSError(errno.EADDRNOTAVAIL, "no port"), {"connections": "too many"}),
        (ApiError(500, "etcdserver: mvcc: database space exceeded"), {"store": "full"}),
        (ApiError(500, "something else"), {}),
        (TimeoutError(), {}),
    ],
)
def test_a_write_that_fails_tells_what_ails_it(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, fault: Exception, found: dict[str, str]
) -> None:
    def fail(*_args: Any, **_more: Any) -> Any:
        raise fault

    monkeypatch.setattr(Client, "create", fail)
    assert plane.ailments(deep=True) == found


@pytest.mark.parametrize("header", ["Impersonate-User", "X-Remote-User"])
def test_the_learner_is_nobody_else(plane: ControlPlane, header: str) -> None:
    review = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    head = (
        "POST /apis/authentication.k8s.io/v1/selfsubjectreviews HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {plane.handle.data['tokens']['learner']}\r\n{header}: grader\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(review)}\r\nConnection: close\r\n\r\n"
    )
    with netns.connect(plane.handle.data["netns"], components.GATE_PORT) as raw:
        answer = _exchange(plane, raw, (head + review).encode())
    assert b'"username":"operator"' in answer.replace(b" ", b"")


def test_the_audit_log_tells_who_wrote_and_is_out_of_the_learner_s_reach(plane: ControlPlane) -> None:
    name = f"audit-{secrets.token_hex(4)}"
    path = f"/api/v1/namespaces/default/configmaps/{name}"
    assert learner(plane, "PUT", path, {"metadata": {"name": name}}) == 403
    log = Path(plane.handle.data["audit_log"])

    def mine() -> list[dict[str, Any]]:
        lines = [line for line in log.read_text().splitlines() if name in line]
        return [json.loads(line) for line in lines]

    await_true(mine, 10, "the write is in the audit log")
    assert {e["user"]["username"] for e in mine()} == {"operator"}
    assert {e["responseStatus"]["code"] for e in mine()} == {403}
    network = plane.handle.data["netns"]
    assert (
        said(
            sh(
                f"cat {log} {log.parent}/owner 2>/dev/null; ls -A {log.parent} 2>/dev/null; echo ended",
                network=network,
            )
        )
        == "ended"
    )
    assert log.parent.stat().st_mode & 0o077 == 0


def test_the_handle_shows_the_keys_of_no_component(plane: ControlPlane) -> None:
    text = json.dumps(dict(plane.handle.data))
    assert "PRIVATE KEY" not in text
    assert set(plane.handle.data["tokens"]) == {"grader", "gate_control", "learner"}


def test_the_world_is_out_of_reach_from_inside(plane: ControlPlane) -> None:
    script = "use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); print connect($s, sockaddr_in(443, inet_aton($ARGV[0]))) ? 'yes' : $!"
    for address in ("1.1.1.1", "10.0.0.1", "169.254.169.254"):
        assert said(perl(script, address, network=plane.handle.data["netns"])) == "Network is unreachable"


def test_an_audit_log_that_is_about_to_end_is_told(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = Path(plane.handle.data["audit_log"]).stat().st_size
    assert plane.ailments() == {}
    monkeypatch.setattr(components, "AUDIT_LOG_BYTES", size + sandbox._AUDIT_SPARE_BYTES - 1)
    assert plane.ailments() == {"audit": "full"}
    assert plane.ailments(deep=True) == {"audit": "full"}
