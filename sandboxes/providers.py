"""Every provider by its kind."""

from __future__ import annotations

from sandboxes.controlplane import ControlPlaneProvider
from sandboxes.interface import Provider, Unavailable


def provider(kind: str) -> Provider:
    """Raises Unavailable for a kind that is not known."""
    providers: dict[str, type[ControlPlaneProvider]] = {ControlPlaneProvider.kind: ControlPlaneProvider}
    if kind not in providers:
        raise Unavailable(f"there is no sandbox of kind {kind!r}; known are {', '.join(sorted(providers))}")
    return providers[kind]()
