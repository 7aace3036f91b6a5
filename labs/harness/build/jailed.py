"""The jail that every build runs in: our toolchain and caches read-only, no network, a fixed environment."""

from __future__ import annotations

from pathlib import Path

from labs.harness import pace
from labs.harness.jails import read_only
from labs.harness.manifest import Lab
from labs.harness.submission import Submission
from sandboxes import jail
from sandboxes.setup import golang

MIB = 1 << 20
STARTER_FILES = ("go.mod", "go.sum")
SOURCES = "/work/src"


def environment() -> dict[str, str]:
    """The environment of every build: nothing is fetched, nothing of the learner's changes the tools."""
    root = golang.root()
    return {
        "PATH": f"{root / 'bin'}:/usr/bin",
        "HOME": "/tmp",
        "GOROOT": str(root),
        "GOPATH": "/tmp/go",
        "GOCACHE": str(golang.build_cache()),
        "GOMODCACHE": str(golang.module_cache()),
        "GOENV": "off",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOSUMDB": "off",
        "GOTELEMETRY": "off",
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -trimpath",
        "LC_ALL": "C.UTF-8",
    }


def tree(lab: Lab, submission: Submission) -> dict[str, bytes]:
    """The folder that is built: the starter's files that a learner cannot edit, then the submission."""
    starter = lab.folder / "starter"
    ours = {name: (starter / name).read_bytes() for name in STARTER_FILES if (starter / name).is_file()}
    return {**submission.files, **ours}


def command(
    lab: Lab,
    files: dict[str, bytes],
    script: str,
    *,
    label: str,
    binds: tuple[jail.Bind, ...] = (),
    export: Path | None = None,
    seconds: float = 0.0,
    cpus: float = 2.0,
) -> jail.Command:
    """A shell script over `files`, in a jail that has the Go toolchain and no network.

    `seconds` of CPU, the lab's own limit by default.
    """
    cache = golang.build_cache()
    return jail.Command(
        argv=("/bin/sh", "-c", script),
        env=environment(),
        cwd=SOURCES,
        binds=(read_only(golang.root()), read_only(golang.module_cache()), *binds),
        overlays=(jail.Overlay(cache, str(cache)),),
        files={f"src/{name}": content for name, content in files.items()},
        limits=jail.Limits(
            memory_bytes=lab.build.memory_bytes,
            processes=512,
            cpus=cpus,
            # a compiler is bounded by its own work: on a busy machine the same build takes many times as long
            cpu_seconds=seconds or lab.build.seconds,
            wall_seconds=(seconds or lab.build.seconds) * pace.CROWDED,
            disk_bytes=1024 * MIB,
            output_bytes=MIB,
        ),
        export=export,
        system=True,
        label=label,
    )
