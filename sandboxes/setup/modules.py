"""Our own Go programs, and the learner's warm caches."""

from __future__ import annotations

from pathlib import Path

from sandboxes import paths
from sandboxes.setup import command, golang
from sandboxes.setup.kubernetes import Compiled
from sandboxes.setup.stamps import Stamp, digest, files_below, part_of
from sandboxes.setup.step import Say

CHECKOUT = Path(__file__).parents[2]


class GoProgram:
    """One static binary from a Go module of this repository, in <cache>/bin."""

    def __init__(self, source: Path) -> None:
        self.name = source.name
        self._source = source
        self.path = paths.cache_dir() / "bin" / source.name

    def _key(self) -> str:
        sources = [path for path in files_below(self._source) if not path.name.endswith("_test.go")]
        return digest(golang.VERSION, *(str(path.relative_to(self._source)) for path in sources), sources)

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
                "-s -w",
                "-o",
                part,
                ".",
            ],
            log=self.name,
            cwd=self._source,
            env=golang.environment(),
            on_line=Compiled(say),
        )
        part.replace(self.path)
        self._stamp().write(key)


class WarmCache:
    """Compiles a lab's solution once, so that a learner's edit is all that is left to compile.

    go removes what it has not used for days from its cache, whenever it runs. It notes that in
    trim.txt, which is therefore part of the key: after a trim this step looks again, in seconds.
    """

    def __init__(self, solution: Path) -> None:
        self._solution = solution
        self.name = f"build cache for {solution.parent.parent.name}/{solution.parent.name}"
        self._stamp = Stamp(paths.cache_dir() / "warm" / digest(str(solution))[:16])

    def _key(self) -> str:
        trim = golang.build_cache() / "trim.txt"
        go_files = sorted(self._solution.rglob("*.go"))
        return digest(golang.VERSION, [self._solution / "go.mod", self._solution / "go.sum"], go_files, trim)

    def done(self) -> bool:
        return golang.build_cache().is_dir() and self._stamp.matches(self._key())

    def run(self, say: Say) -> None:
        for words in (
            ["mod", "download"],
            ["build", "-v", "-trimpath", "-buildvcs=false", "-o", "/dev/null", "."],
            ["vet", "-trimpath", "-buildvcs=false", "./..."],
        ):
            say(f"go {' '.join(words[:2])}")
            command.run(
                [golang.go(), *words],
                log=f"warm-{self._solution.parent.name}",
                cwd=self._solution,
                env=golang.environment(),
                on_line=Compiled(say),
            )
        self._stamp.write(self._key())


def programs() -> list[GoProgram]:
    """Every Go program that the sandboxes need."""
    sources = (CHECKOUT / "sandboxes" / "controlplane" / "apigate", CHECKOUT / "sandboxes" / "vm" / "guest")
    return [GoProgram(source) for source in sources if (source / "go.mod").exists()]


def solutions() -> list[WarmCache]:
    """One for each Go lab."""
    return [WarmCache(mod.parent) for mod in sorted(CHECKOUT.glob("labs/*/*/solution/go.mod"))]
