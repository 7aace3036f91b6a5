"""From a submission to a program: gofmt, go build and go vet, each in a jail.

The compiler decides; gofmt and go vet advise (docs/reference/verdicts.md): their diagnostics are
shown, but do not keep a program from being graded. The toolchain, module cache and warm build cache
are ours and read-only; what the build writes goes to an overlay and is thrown away. The program
comes out through a descriptor, so nothing of ours ever opens a path in a folder of the learner.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from labs.harness.diagnostics import Diagnostic, parse, unformatted
from labs.harness.events import Text
from labs.harness.jails import Jails, read_only
from labs.harness.manifest import Lab
from labs.harness.submission import Submission
from sandboxes import jail
from sandboxes.interface import Completed, StartFailed
from sandboxes.setup import golang

MIB = 1 << 20
STARTER_FILES = ("go.mod", "go.sum")
OnLog = Callable[[str], None]

# what the tools may take, and no more: a vet that hangs must not hold up the verdict
_VET_SECONDS = 60.0
# what a shell answers for a program that it cannot start; the go command itself ends with 1 or 2
_SHELL_FAILED = (126, 127)
_GO = "go build -buildvcs=false -ldflags='-s -w' -o /tmp/program {package}"


@dataclass(frozen=True)
class Built:
    """`program` is None when it did not build; `reason` then says why in one sentence."""

    program: Path | None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    reason: Text | None = None
    output: str = ""
    seconds: float = 0.0


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
    export: Path | None = None,
    seconds: float = 0.0,
    cpus: float = 2.0,
) -> jail.Command:
    """A shell script over `files`, in a jail that has the Go toolchain and no network."""
    cache = golang.build_cache()
    return jail.Command(
        argv=("/bin/sh", "-c", script),
        env=environment(),
        cwd="/work/src",
        binds=(read_only(golang.root()), read_only(golang.module_cache())),
        overlays=(jail.Overlay(cache, str(cache)),),
        files={f"src/{name}": content for name, content in files.items()},
        limits=jail.Limits(
            memory_bytes=lab.build.memory_bytes,
            processes=512,
            cpus=cpus,
            wall_seconds=seconds or lab.build.seconds,
            disk_bytes=1024 * MIB,
            output_bytes=MIB,
        ),
        export=export,
        system=True,
        label=label,
    )


def build(lab: Lab, submission: Submission, jails: Jails, into: Path, on_log: OnLog) -> Built:
    """Compile into `into`, a file in a folder of ours. Raises Cancelled, StartFailed."""
    begun = time.monotonic()
    fence = secrets.token_hex(8)
    program = _GO.format(package=_quoted(lab.build.package))
    script = f"gofmt -l .; echo {fence}; {program} && cat /tmp/program >&9"
    into.touch(mode=0o700)
    done = jails.run(command(lab, tree(lab, submission), script, label="build", export=into))
    before, _, output = done.output.decode("utf-8", "replace").partition(f"{fence}\n")
    advice = unformatted(before, submission.files)
    if output.strip():
        on_log(output)
    if done.exit_code == 0 and into.stat().st_size:
        return Built(into, advice, None, output, time.monotonic() - begun)
    if done.exit_code in _SHELL_FAILED:
        raise StartFailed("the compiler could not be started", output)
    found = parse("build", output) if not done.stopped_by else []
    return Built(None, advice + found, _reason(lab, done, found), output, time.monotonic() - begun)


def vet(lab: Lab, submission: Submission, jails: Jails) -> list[Diagnostic]:
    """What go vet has to say. Runs beside the checks and leaves them most of a machine. Raises as build()."""
    script = f"exec go vet {_quoted(lab.build.package)}/..."
    jailed = command(lab, tree(lab, submission), script, label="vet", seconds=_VET_SECONDS, cpus=0.5)
    done = jails.run(jailed)
    if done.exit_code in (0, None):
        return []
    return parse("vet", done.output.decode("utf-8", "replace"))


def _quoted(package: str) -> str:
    return "'" + package.replace("'", "'\\''") + "'"


def _reason(lab: Lab, done: Completed, found: list[Diagnostic]) -> Text:
    if done.stopped_by == "wall":
        limit = f"{lab.build.seconds:g}"
        return Text(f"编译超过 {limit} 秒，已停止", f"the build took longer than {limit} s and was stopped")
    if done.stopped_by:
        zh, en = {"memory": ("内存", "memory"), "output": ("输出", "output")}.get(
            done.stopped_by, ("资源", "resources")
        )
        return Text(f"编译用完了{zh}上限，已停止", f"the build used up its {en} and was stopped")
    count = len(found)
    if not count:
        return Text(
            "没有编译出程序；需要 package main", "no program came out of the build: it needs a package main"
        )
    return Text(
        f"编译不通过：{count} 处错误", f"it does not compile: {count} error{'s' if count > 1 else ''}"
    )
