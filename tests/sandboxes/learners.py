"""Requests to a control plane as the learner's program makes them."""

from __future__ import annotations

from typing import Any

from sandboxes.controlplane import ControlPlane, components
from sandboxes.controlplane.client import Client


def status(
    plane: ControlPlane, port: int, token: str, method: str, path: str, body: Any = None, timeout: float = 5.0
) -> int:
    """The HTTP status of a request to that port, from outside, with that token."""
    data = plane.handle.data
    return Client(data["netns"], port, data["ca"].encode(), token).call(method, path, body, timeout)[0]


def learner(plane: ControlPlane, method: str, path: str, body: Any = None, timeout: float = 5.0) -> int:
    """The same, as the learner's program asks: by way of apigate."""
    return status(
        plane, components.GATE_PORT, plane.handle.data["tokens"]["learner"], method, path, body, timeout
    )


def allow(plane: ControlPlane, group: str, resource: str, verbs: list[str]) -> None:
    """Give the operator these rights, as a lab's manifests would."""
    base, name = "/apis/rbac.authorization.k8s.io/v1", f"more-{resource}"
    meta = {"metadata": {"name": name}}
    rules = [{"apiGroups": [group], "resources": [resource], "verbs": verbs}]
    plane.client().create(f"{base}/clusterroles", {**meta, "rules": rules})
    binding = {
        **meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "operator"}],
    }
    plane.client().create(f"{base}/clusterrolebindings", binding)
