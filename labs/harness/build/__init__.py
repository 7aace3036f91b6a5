"""From a submission to a program: clang where there is C, gofmt, go build and go vet, each in a jail.

The compilers decide; gofmt, go vet and clang's warnings advise (docs/reference/verdicts.md): their
diagnostics are shown, but do not keep a program from being graded. The toolchains, module cache and
warm build cache are ours and read-only; what the build writes goes to an overlay and is thrown away.
The program comes out through a descriptor, so nothing of ours ever opens a path in a folder of the learner.
"""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labs.harness.build import bpf
from labs.harness.build.jailed import SOURCES, command, environment, tree
from labs.harness.build.result import Built, reason, too_large
from labs.harness.diagnostics import Diagnostic, parse, parse_clang, unformatted
from labs.harness.events import Text
from labs.harness.jails import Jails
from labs.harness.manifest import Lab
from labs.harness.submission import Submission
from sandboxes import jail
from sandboxes.interface import StartFailed

OnLog = Callable[[str], None]
__all__ = ["Built", "OnLog", "build", "describe", "environment", "tree", "vet"]

# what the tools may take, and no more: a vet that hangs must not hold up the verdict
_VET_SECONDS = 60.0
# what a shell answers for a program that it cannot start; the go command itself ends with 1 or 2
_SHELL_FAILED = (126, 127)
_GO = "go build -buildvcs=false -ldflags='-s -w' -o /tmp/program {package}"
# a few lines make a program of a gigabyte, which then would be copied and sent
MAX_PROGRAM_BYTES = 128 << 20
# a guest has 96 MiB for it, for the reference and for what they write (workDir in sandboxes/vm/guest/boot.go)
MAX_BYTES_IN_GUEST = 64 << 20
_TOO_LARGE = 99


@dataclass(frozen=True)
class _Recipe:
    """The shell lines of a kind of build: what comes before Go, what hands out the result."""

    prepare: str = ":"
    export: str = "cat /tmp/program >&9"
    binds: tuple[jail.Bind, ...] = ()


def describe(lab: Lab) -> str:
    """What a person would type."""
    package = f"go build {lab.build.package}"
    if lab.build.kind != "bpf":
        return package
    return f"bpf2go {lab.build.ident} {lab.build.source} && {package}"


def build(lab: Lab, submission: Submission, jails: Jails, into: Path, on_log: OnLog) -> Built:
    """Compile into `into`, a file in a folder of ours. Raises Cancelled, StartFailed."""
    begun = time.monotonic()
    files = tree(lab, submission)
    recipe = _recipe(lab, files)
    if isinstance(recipe, Text):
        return Built(None, [Diagnostic("clang", "", 0, 0, recipe.en)], recipe)
    fence = secrets.token_hex(8)
    program = _GO.format(package=shlex.quote(lab.build.package))
    most = MAX_BYTES_IN_GUEST if lab.sandbox == "vm" else MAX_PROGRAM_BYTES
    fits = f"{{ [ $(stat -c %s /tmp/program) -le {most} ] || exit {_TOO_LARGE}; }}"
    steps = (recipe.prepare, f"echo {fence}", program, fits, recipe.export)
    script = f"gofmt -l .; echo {fence}; " + " && ".join(steps)
    exported = into.with_name("exported")
    exported.touch(mode=0o700)
    into.touch(mode=0o700)
    done = jails.run(command(lab, files, script, label="build", binds=recipe.binds, export=exported))
    before, clang, go = _sections(done.output, fence)
    advice = unformatted(before, submission.files)
    compiled = parse_clang(clang, SOURCES)
    output = clang + go
    if output.strip():
        on_log(output)
    if done.exit_code == 0 and exported.stat().st_size:
        object_ = _take_out(lab, exported, into)
        return Built(into, advice + compiled, None, output, time.monotonic() - begun, object_)
    if done.stopped_by == "wall":
        raise StartFailed(
            f"the build was not done after {done.seconds:.0f} s, {done.cpu_seconds:.0f} of them CPU", output
        )
    if done.exit_code in _SHELL_FAILED or not (done.stopped_by or fence.encode() in done.output):
        raise StartFailed("the compiler could not be started", output)
    if done.exit_code == _TOO_LARGE:
        return Built(None, advice + compiled, too_large(most), output, time.monotonic() - begun)
    found = advice + (compiled + parse("build", go) if not done.stopped_by else [])
    return Built(None, found, reason(lab, done, found), output, time.monotonic() - begun)


def vet(lab: Lab, submission: Submission, jails: Jails) -> list[Diagnostic]:
    """What go vet has to say. Runs beside the checks and leaves them most of a machine. Raises as build()."""
    files = tree(lab, submission)
    recipe = _recipe(lab, files)
    if isinstance(recipe, Text):
        return []
    fence = secrets.token_hex(8)
    package = shlex.quote(lab.build.package)
    script = f"{recipe.prepare}; echo {fence}; exec go vet {package}/..."
    jailed = command(lab, files, script, label="vet", binds=recipe.binds, seconds=_VET_SECONDS, cpus=0.5)
    done = jails.run(jailed)
    if done.exit_code in (0, None):
        return []
    return parse("vet", done.output.decode("utf-8", "replace").partition(f"{fence}\n")[2])


def _recipe(lab: Lab, files: dict[str, bytes]) -> _Recipe | Text:
    """How it is built, or why it cannot be. Raises StartFailed when the reason is ours."""
    if lab.build.kind != "bpf":
        return _Recipe()
    c_file = bpf.source(lab, files)
    if isinstance(c_file, Text):
        return c_file
    return _Recipe(bpf.prepare(lab, c_file), bpf.export(lab), bpf.binds())


def _sections(output: bytes, fence: str) -> tuple[str, str, str]:
    """What gofmt, clang and go said. A fence that a learner's compiler error contains is not to be guessed."""
    parts = output.decode("utf-8", "replace").split(f"{fence}\n", 2)
    gofmt, clang, go = [*parts, "", ""][:3]
    return gofmt, clang, go


def _take_out(lab: Lab, exported: Path, into: Path) -> Path | None:
    if lab.build.kind != "bpf":
        exported.replace(into)
        return None
    return bpf.split(exported, into)
