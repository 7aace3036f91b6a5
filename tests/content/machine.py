"""Runs the chapters' programs and scripts with the pinned Go and kubectl."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandboxes.controlplane.provider import KUBERNETES_VERSION
from sandboxes.paths import cache_dir
from sandboxes.setup import golang
from tests.content.reading import EXAMPLES, sources

KUBERNETES = cache_dir() / "kubernetes" / KUBERNETES_VERSION


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The flags are the learner's, so that the warm cache serves here too."""
    env = golang.environment()
    env["GOFLAGS"] = "-mod=readonly -trimpath -buildvcs=false"
    env["PATH"] = f"{KUBERNETES}:{env['PATH']}"
    return {**env, **(more or {})}


def run(
    command: list[str | Path], folder: Path, env: Mapping[str, str], timeout: float = 300.0
) -> tuple[int, str]:
    """Exit code and everything it said, in the order it said it."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
    )
    return done.returncode, done.stdout.decode()


def recorded() -> dict[str, str]:
    """What chapters show as seen: path below examples/ → the command above it."""
    found: dict[str, str] = {}
    for chapter in sources():
        command = ""
        for fence in chapter.fences:
            source = fence.attributes.get("file", "").removeprefix("content/examples/")
            if fence.language == "sh":
                command = f"sh {source.rpartition('/')[2]}" if source else fence.text.strip()
            elif fence.language == "text" and "/seen/" in source:
                found.setdefault(source, command)
    return found


def steady(text: str) -> str:
    """The text without what differs from run to run: line numbers of grep, ages, order of stderr."""
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).strip()


def seen(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Cluster:
    """A control plane in its network namespace, and the environment of somebody who works with it."""

    network: str
    audit_log: Path
    env: Mapping[str, str]

    def inside(self, command: list[str | Path]) -> list[str | Path]:
        return ["nsenter", f"--net={self.network}", "--", *command]

    def run(self, command: list[str | Path], folder: Path, timeout: float = 180.0) -> tuple[int, str]:
        return run(self.inside(command), folder, self.env, timeout)

    def writes(self, user_agent: str) -> list[str]:
        """`verb resource` of each write that a program with this user agent has made so far."""
        found = []
        for line in self.audit_log.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            mine = str(entry.get("userAgent", "")).startswith(user_agent)
            if mine and entry["verb"] in ("create", "update", "patch", "delete"):
                resource = entry["objectRef"]
                found.append(f"{entry['verb']} {resource['resource']}/{resource.get('subresource', '')}")
        return found
