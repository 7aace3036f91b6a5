"""Our own Go programs, and the learner's warm caches."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandboxes import paths
from sandboxes.bpf import toolchain
from sandboxes.setup import command, golang
from sandboxes.setup.kubernetes import Compiled
from sandboxes.setup.stamps import Stamp, digest, files_below, part_of
from sandboxes.setup.step import Say, SetupError

CHECKOUT = Path(__file__).parents[2]


class GoProgram:
    """One static binary from a Go module of this repository, in <cache>/bin.

    `package` is what is built: the module itself, or a program of another one that it pins. `symbols`: with its
    symbol table, where uprobes find functions by their names.
    """

    def __init__(self, source: Path, package: str = ".", *, symbols: bool = False) -> None:
        self.name = source.name
        self._source, self._package = source, package
        self._flags = "-w" if symbols else "-s -w"
        self.path = paths.cache_dir() / "bin" / source.name

    def _key(self) -> str:
        sources = [path for path in files_below(self._source) if not path.name.endswith("_test.go")]
        names = (str(path.relative_to(self._source)) for path in sources)
        return digest(golang.VERSION, self._flags, *names, sources)

    def _stamp(self) -> Stamp:
        return Stamp(self.path.with_name(f".{self.path.name}.stamp"))

    def done(self) -> bool:
        return self.path.is_file() and self._stamp().matches(self._key())

    def run(self, say: Say) -> None:
        key = self._key()  # before the build: an edit while it runs must make it run again
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = part_of(self.path)
        self._stamp().clear()
        command.run(
            [
                golang.go(),
                "build",
                "-v",
                "-trimpath",
                "-buildvcs=false",
                "-ldflags",
                self._flags,
                "-o",
                part,
                self._package,
            ],
            log=self.name,
            cwd=self._source,
            env=golang.environment(),
            on_line=Compiled(say),
        )
        part.replace(self.path)
        self._stamp().write(key)


def reference(lab: Path) -> Path:
    """The program of the solution of that lab (its folder), where a grader measures others against it."""
    return paths.cache_dir() / "reference" / lab.parent.name / lab.name


class WarmCache:
    """Compiles a lab's solution once, so that a learner's edit is all that is left to compile.

    A solution with eBPF code is compiled from a copy, with the bindings that bpf2go writes into it;
    its program is kept: see reference().
    go removes what it has not used for days from its cache, whenever it runs. It notes that in
    trim.txt, which is therefore part of the key: after a trim this step looks again, in seconds.
    """

    def __init__(self, solution: Path) -> None:
        self._solution = solution
        self.name = f"build cache for {solution.parent.parent.name}/{solution.parent.name}"
        self._stamp = Stamp(paths.cache_dir() / "warm" / digest(str(solution))[:16])

    @property
    def has_ebpf(self) -> bool:
        return any(self._solution.rglob("*.bpf.c"))

    def _key(self) -> str:
        trim = golang.build_cache() / "trim.txt"
        sources = [path for end in ("go", "c", "h") for path in sorted(self._solution.rglob(f"*.{end}"))]
        return digest(golang.VERSION, [self._solution / "go.mod", self._solution / "go.sum"], sources, trim)

    def done(self) -> bool:
        kept = _bpf_build(self._solution) is None or reference(self._solution.parent).is_file()
        return kept and golang.build_cache().is_dir() and self._stamp.matches(self._key())

    def run(self, say: Say) -> None:
        say("what it is built from")
        kept = reference(self._solution.parent) if _bpf_build(self._solution) else None
        part = part_of(kept) if kept else Path("/dev/null")
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
        with with_bindings(self._solution) as folder:
            self._compile(folder, part, say)
        if kept:
            part.replace(kept)
        self._stamp.write(self._key())

    @property
    def _log(self) -> str:
        return f"warm-{self._solution.parent.name}"

    def _compile(self, folder: Path, program: Path, say: Say) -> None:
        for words in (
            ["mod", "download"],
            ["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(program), "."],
            ["vet", "-trimpath", "-buildvcs=false", "./..."],
        ):
            say(f"go {' '.join(words[:2])}")
            argv = [str(golang.go()), *words]
            command.run(argv, log=self._log, cwd=folder, env=golang.environment(), on_line=Compiled(say))


@contextlib.contextmanager
def with_bindings(folder: Path) -> Iterator[Path]:
    """A folder of a lab as its build sees it: with eBPF code, a copy with the bindings that bpf2go writes.

    Raises SetupError when the C does not compile.
    """
    build = _bpf_build(folder)
    if build is None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="lastmile-bindings-") as scratch:
        copy = Path(scratch) / folder.name
        shutil.copytree(folder, copy)
        _generate(copy, build)
        yield copy


def _bpf_build(folder: Path) -> dict[str, Any] | None:
    """The table [build] of the lab that the folder belongs to, when it is of kind bpf."""
    above = (folder.parent, folder.parent.parent)  # solution/, or solutions/NAME/
    manifest = next((place / "lab.toml" for place in above if (place / "lab.toml").is_file()), None)
    if manifest is None:
        return None
    build: dict[str, Any] = tomllib.loads(manifest.read_text("utf-8")).get("build", {})
    return build if build.get("kind") == "bpf" else None


def _generate(copy: Path, build: dict[str, Any]) -> None:
    names = sorted(str(path.relative_to(copy)) for path in copy.glob(build.get("source", "bpf/*.bpf.c")))
    if len(names) != 1:
        raise SetupError(f"{copy.name}: there are {len(names)} C sources, there must be one")
    argv = toolchain.generate(
        names[0], build.get("ident", "bpf"), tuple(build.get("types", ())), build.get("package", ".")
    )
    command.run(argv, log="bpf2go-bindings", cwd=copy, remedy="make setup")


def programs() -> list[GoProgram]:
    """Every Go program that the sandboxes need."""
    sources = (CHECKOUT / "sandboxes" / "controlplane" / "apigate", CHECKOUT / "sandboxes" / "vm" / "guest")
    mesh = CHECKOUT / "sandboxes" / "vm" / "mesh"
    return [*(GoProgram(source) for source in sources), GoProgram(mesh, symbols=True)]


def solutions() -> list[WarmCache]:
    """One for each Go lab."""
    return [WarmCache(mod.parent) for mod in sorted(CHECKOUT.glob("labs/*/*/solution/go.mod"))]
