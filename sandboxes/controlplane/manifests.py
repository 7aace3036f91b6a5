"""What is applied before the controllers start: a lab's CRDs and access rules.

The garbage collector learns new resources only every 30 s, so a CRD has to be there when it starts.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sandboxes.controlplane.client import ApiError, Client
from sandboxes.controlplane.waiting import wait_until

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_COLLECTIONS = {
    "Namespace": "/api/v1/namespaces",
    "ConfigMap": "/api/v1/namespaces/{ns}/configmaps",
    "ResourceQuota": "/api/v1/namespaces/{ns}/resourcequotas",
    "CustomResourceDefinition": _CRDS,
    "ValidatingAdmissionPolicy": f"{_ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{_ADMISSION}/validatingadmissionpolicybindings",
    "ClusterRole": f"{_RBAC}/clusterroles",
    "ClusterRoleBinding": f"{_RBAC}/clusterrolebindings",
    "Role": f"{_RBAC}/namespaces/{{ns}}/roles",
    "RoleBinding": f"{_RBAC}/namespaces/{{ns}}/rolebindings",
}
GUARD = str(Path(__file__).with_name("guard.yaml"))


def read(paths: list[str]) -> Iterator[dict[str, Any]]:
    """The objects of YAML files, in order. Raises ValueError for a kind that cannot be applied here."""
    for path in paths:
        for document in yaml.safe_load_all(Path(path).read_text()):
            if document is None:
                continue
            if document.get("kind") not in _COLLECTIONS:
                raise ValueError(
                    f"{path}: kind {document.get('kind')!r} cannot be applied before the controllers"
                )
            yield document


def apply(client: Client, objects: list[dict[str, Any]], deadline: float) -> None:
    """Create all of them and wait until every CRD is served. Raises ApiError, OSError or TimeoutError."""
    for item in objects:
        namespace = item["metadata"].get("namespace", "")
        client.create(_COLLECTIONS[item["kind"]].format(ns=namespace), item)
    for item in objects:
        if item["kind"] == "CustomResourceDefinition":
            wait_until(
                functools.partial(_served, client, item), deadline, f"{item['metadata']['name']} served"
            )


def _served(client: Client, crd: dict[str, Any]) -> bool:
    spec = crd["spec"]
    try:
        client.get(f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}?limit=1")
    except ApiError:
        return False
    return True
