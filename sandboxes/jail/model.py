"""What may run in a jail, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
# what comes before is the command's own three, its export and what bubblewrap is given
FIRST_DESCRIPTOR = 12


@dataclass(frozen=True)
class Limits:
    """Bounds of one jail. Sizes in bytes, times in seconds; 0 seconds means without that bound.

    `cpus` is the share of processors (1.5 is one and a half). `output_bytes` 0 keeps the last 64 KiB
    and never stops the command, which is for real systems of ours and not for learners.
    """

    memory_bytes: int = 512 * MIB
    processes: int = 128
    cpus: float = 2.0
    cpu_seconds: float = 0.0
    wall_seconds: float = 30.0
    disk_bytes: int = 256 * MIB
    output_bytes: int = 4 * MIB
    open_files: int = 4096


@dataclass(frozen=True)
class Bind:
    """A file or folder of the host, read-only in the jail."""

    source: Path
    dest: str


@dataclass(frozen=True)
class Overlay:
    """A folder of the host that can be written in the jail; what is written is thrown away.

    `seed` are small text files put over it before the start.
    """

    lower: Path
    dest: str
    seed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A command and the world that it sees.

    The root is empty but for /proc, /dev, /tmp and /work (both writable, on one tmpfs of
    `limits.disk_bytes`), the binds and the overlays; `system` adds the host's /usr, read-only.
    `files` are written below /work, owned by the jail's uid. `network` is the path of a network
    namespace; None is an empty one of its own. What the command writes to descriptor 9 (`>&9`
    in a shell; opening it by path is refused) ends up in `export`, a file that the caller made.
    `descriptors` are the caller's own; the command finds them at FIRST_DESCRIPTOR and on. `devices` are
    device files of the host, which the command may open under the same path.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/work"
    binds: tuple[Bind, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    limits: Limits = Limits()
    network: str | None = None
    export: Path | None = None
    descriptors: tuple[int, ...] = ()
    devices: tuple[str, ...] = ()
    system: bool = False
    label: str = "jail"
