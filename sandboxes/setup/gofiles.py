"""gofmt and go vet over this repository's Go, for `make check` and `make fmt`.

A lab's mistakes are left alone: some of them are wrong in exactly this way.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sandboxes.setup import golang
from sandboxes.setup.modules import CHECKOUT, with_bindings
from sandboxes.setup.step import SetupError

_SKIPPED = ("mistakes", "node_modules", ".venv", "build")


def files(root: Path = CHECKOUT) -> list[Path]:
    return sorted(path for path in root.rglob("*.go") if not set(path.relative_to(root).parts) & {*_SKIPPED})


def modules(root: Path = CHECKOUT) -> list[Path]:
    """Folders of the modules that hold code of ours: some only pin what is built.

    The chapters' eBPF programs are vetted by tests/content, with the bindings that their sources ask for.
    """
    elsewhere = (root / "sandboxes" / "kubernetes", root / "content" / "examples" / "tracers")
    mods = (path.parent for path in root.rglob("go.mod") if any(path.parent.rglob("*.go")))
    return sorted(
        folder
        for folder in mods
        if not set(folder.relative_to(root).parts) & {*_SKIPPED} and folder not in elsewhere
    )


def unformatted(paths: Sequence[Path], *, write: bool = False) -> list[str]:
    """Names of the files that gofmt would change; with `write`, changes them."""
    if not paths:
        return []
    argv: list[str | Path] = [golang.root() / "bin" / "gofmt", "-l", *(["-w"] if write else []), *paths]
    ended = subprocess.run(argv, capture_output=True, text=True)
    return [*ended.stdout.splitlines(), *ended.stderr.splitlines()]


def vet(module: Path) -> str:
    """What go vet says; empty when it is content."""
    try:
        with with_bindings(module) as folder:
            ended = subprocess.run(
                [golang.go(), "vet", "-trimpath", "./..."],
                cwd=folder,
                env=golang.environment(),
                capture_output=True,
                text=True,
            )
    except SetupError as error:
        return f"{module}: {error}\n"
    return ended.stderr if ended.returncode else ""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="format in place and stop there")
    args = parser.parse_args(argv)
    complaints = unformatted(files(), write=args.write)
    if args.write:
        print("\n".join(complaints))
        return 0
    words = [f"gofmt: {name}" for name in complaints] + [
        said for module in modules() if (said := vet(module))
    ]
    print("\n".join(words) or f"Go: {len(files())} files formatted, {len(modules())} modules vetted.")
    return 1 if words else 0


if __name__ == "__main__":
    sys.exit(main())
