"""A Kubernetes control plane as local processes in a network namespace of its own."""

from sandboxes.controlplane.provider import KUBERNETES_VERSION, ControlPlaneProvider
from sandboxes.controlplane.sandbox import ControlPlane

__all__ = ["KUBERNETES_VERSION", "ControlPlane", "ControlPlaneProvider"]
