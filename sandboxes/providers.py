"""Every provider by its kind."""

from __future__ import annotations

from collections.abc import Callable

from sandboxes.controlplane import ControlPlaneProvider
from sandboxes.interface import Provider, Unavailable
from sandboxes.vm import VirtualMachineProvider


def provider(kind: str) -> Provider:
    """Raises Unavailable for a kind that is not known."""
    providers: dict[str, Callable[[], Provider]] = {
        ControlPlaneProvider.kind: ControlPlaneProvider,
        VirtualMachineProvider.kind: VirtualMachineProvider,
    }
    if kind not in providers:
        raise Unavailable(f"there is no sandbox of kind {kind!r}; known are {', '.join(sorted(providers))}")
    return providers[kind]()
