"""A store that the API server has already filled: its roles, priority classes and a lab's manifests.

Half of a stock start is the API server writing the same two hundred objects into an empty etcd, most of it
behind a poll that begins with a second of waiting. A seed is made once for each set of manifests, without
the controllers and so without anything that belongs to one sandbox (accounts, certificates).
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sandboxes.interface import StartFailed
from sandboxes.jail import Command, Process

# so that etcd ends in order on SIGTERM and its files leave by the export descriptor
_SCRIPT = """
trap 'kill -TERM $etcd' TERM
/etcd "$@" & etcd=$!
wait $etcd; wait $etcd
cd /work/data && exec tar -c --exclude='*.tmp' member >&9
"""
_PAGE = 4096


def key(version: str, objects: list[dict[str, Any]]) -> str:
    """Names the seed for these objects on this version of Kubernetes."""
    return hashlib.sha256(f"2 {version}\n{yaml.safe_dump(objects, sort_keys=True)}".encode()).hexdigest()[:16]


def read(folder: Path) -> Mapping[str, bytes] | None:
    """The files of a seed, named as they go below etcd's /work, or None when there is none."""
    if not folder.is_dir():
        return None
    return {f"data/{p.relative_to(folder)}": p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@contextlib.contextmanager
def making(folder: Path) -> Iterator[None]:
    """Hold the lock under which a seed is made; who comes second finds it made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def exporting(command: Command, export: Path) -> Command:
    """etcd's command, changed so that its data folder is written to `export` when it has ended."""
    argv = ("/bin/sh", "-c", _SCRIPT, *command.argv)
    return dataclasses.replace(command, argv=argv, export=export, system=True, env={"PATH": "/usr/bin:/bin"})


def store(etcd: Process, export: Path, folder: Path) -> None:
    """End etcd and keep its files as the seed. Raises StartFailed when they did not come whole."""
    etcd.terminate()
    result = etcd.wait(20)
    if result is None or result.exit_code != 0:
        raise StartFailed(
            "etcd did not end in order, so there is no seed", etcd.output().decode(errors="replace")
        )
    # whoever makes one holds the lock: what another left half made was left for good
    for left in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        with tarfile.open(fileobj=io.BytesIO(export.read_bytes())) as tar:
            for member in tar:
                source = tar.extractfile(member) if member.isfile() else None
                if source is None:
                    continue
                target = staging / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_trim(target.name, source.read()))
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _trim(name: str, content: bytes) -> bytes:
    """A write-ahead log without the 64 MB of zeros that etcd allocates ahead, cut at a page."""
    if not name.endswith(".wal"):
        return content
    used = len(content.rstrip(b"\0"))
    return content[: (used // _PAGE + 1) * _PAGE]
