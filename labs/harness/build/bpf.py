"""The part of a build that comes before Go's where the lab has eBPF code: one C file to object and bindings."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path

from labs.harness.events import Text
from labs.harness.globs import matches
from labs.harness.jails import read_only
from labs.harness.manifest import Lab
from sandboxes import jail
from sandboxes.bpf import toolchain
from sandboxes.interface import StartFailed

_DIGITS = 16


def source(lab: Lab, files: Collection[str]) -> str | Text:
    """The C file that becomes the object, or why there is none."""
    found = [name for name in sorted(files) if matches(name, lab.build.source)]
    if len(found) == 1:
        return found[0]
    listed = "、".join(found), ", ".join(found)
    return Text(
        f"要有且只有一个 {lab.build.source}，现在有 {len(found)} 个{'：' + listed[0] if found else ''}",
        f"there must be exactly one {lab.build.source}, but there are {len(found)}"
        f"{': ' + listed[1] if found else ''}",
    )


def prepare(lab: Lab, c_file: str) -> str:
    """The shell line that compiles it and writes the bindings. Raises StartFailed where a tool is missing."""
    if missing := toolchain.missing():
        raise StartFailed(f"eBPF code cannot be built here, missing: {', '.join(missing)}")
    build = lab.build
    return shlex.join(toolchain.generate(c_file, build.ident, build.types, build.package))


def binds() -> tuple[jail.Bind, ...]:
    return read_only(toolchain.include()), read_only(toolchain.bpf2go())


def export(lab: Lab) -> str:
    """The shell line that hands out both files through descriptor 9: length, object, program."""
    built = shlex.quote(lab.build.generated[1])
    return f"printf '%0{_DIGITS}d' $(stat -c %s {built}) >&9 && cat {built} /tmp/program >&9"


def split(exported: Path, program: Path) -> Path | None:
    """Take apart what export() wrote: fills `program` and gives the object's file, None when it is not whole."""
    content = exported.read_bytes()
    exported.unlink()
    length = content[:_DIGITS]
    if len(length) != _DIGITS or not length.isdigit():
        return None
    end = _DIGITS + int(length)
    if len(content) <= end:
        return None
    built = program.with_name("bpf.o")
    built.write_bytes(content[_DIGITS:end])
    program.write_bytes(content[end:])
    return built
