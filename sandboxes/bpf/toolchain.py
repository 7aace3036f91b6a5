"""Where the eBPF compiler and its headers are, how bpf2go is called, and what of it is missing.

bpf2go (cilium/ebpf) runs clang for one C file and writes the Go bindings of the object beside the
learner's Go. It is called with these arguments and no others: a learner's `go:generate` never runs.
The headers are a folder of our own, and the machine's /usr/include is not searched, so that a
program compiles here as it compiles anywhere.
"""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from sandboxes import paths

CLANG = ("clang-14", "clang")
STRIP = ("llvm-strip-14", "llvm-strip")
_PATH = "/usr/bin:/usr/local/bin"  # what a jail sees; the caller's own PATH does not count

# -mcpu=v3: 32-bit registers and atomics that return a value; every kernel since 5.12 takes it
_CFLAGS = ("-O2", "-g", "-Wall", "-mcpu=v3", "-ferror-limit=20", "-fno-color-diagnostics",
           "-fno-caret-diagnostics", "-nostdlibinc")  # fmt: skip


def include() -> Path:
    """vmlinux.h (the oldest kernel's), vmlinux-<version>.h for each kernel, and libbpf's bpf/*.h."""
    return paths.cache_dir() / "bpf" / "include"


def bpf2go() -> Path:
    return paths.cache_dir() / "bin" / "bpf2go"


def clang() -> str | None:
    """Its full path."""
    return _first(CLANG)


def missing() -> list[str]:
    """What the build of eBPF code lacks here, in words for the owner of the machine; [] as a rule."""
    looks = {
        "clang-14": clang() is not None,
        "llvm-strip-14": _first(STRIP) is not None,
        "bpf2go": bpf2go().is_file(),
        "vmlinux.h": (include() / "vmlinux.h").is_file(),
        "libbpf's headers": (include() / "bpf" / "bpf_helpers.h").is_file(),
    }
    return [name for name, here in looks.items() if not here]


def generate(source: str, ident: str, types: tuple[str, ...], package: str) -> tuple[str, ...]:
    """bpf2go's command line. `source` and the output folder `package` are relative to its working folder.

    The bindings belong to package main: the folder is the one that becomes the program.
    """
    beside = str(PurePosixPath(source).parent)
    flags = (*_CFLAGS, f"-I{beside}", "-isystem", str(include()))
    named = tuple(word for type_ in types for word in ("-type", type_))
    return (
        str(bpf2go()),
        *("-cc", clang() or CLANG[0], "-strip", _first(STRIP) or STRIP[0]),
        *("-target", "amd64", "-go-package", "main", "-output-dir", package),
        *named,
        *(ident, source, "--", *flags),
    )


def _first(names: tuple[str, ...]) -> str | None:
    return next(filter(None, (shutil.which(name, path=_PATH) for name in names)), None)
