"""Providers that behave in one way each, for tests of whatever uses sandboxes.

They keep sandboxes.interface like the real ones: a folder below LASTMILE_RUN, handles that are JSON, a
reaper that finds what they left. Fake and Slow keep the whole contract; Never, Dies and Lies each break it in
the one way that their name says. Their commands run on the host, unjailed: for trusted tests only.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from sandboxes import folders
from sandboxes.interface import (
    Completed,
    Handle,
    Progress,
    Provider,
    Report,
    RunDelay,
    Spec,
    StartFailed,
    Unavailable,
)


class FakeSandbox:
    """Stands until it is closed."""

    def __init__(self, kind: str, folder: Path, owner: Fake | None) -> None:
        self.handle = Handle(
            kind, folder.name, folders.boot_id(), {"dir": str(folder), "netns": "", "tokens": {}}
        )
        self.endpoints: Mapping[str, str] = {"api": f"fake://{folder.name}"}
        self._folder, self._owner, self._closed = folder, owner, False
        self.frozen = False
        self.dead = False
        # its processes are there, and nobody answers
        self.hangs = False
        self.delay: RunDelay | None = None

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 10.0) -> Completed:
        self._open()
        begun = time.monotonic()
        try:
            done = subprocess.run(
                argv, input=stdin, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except subprocess.TimeoutExpired as expired:
            return Completed(None, expired.output or b"", time.monotonic() - begun, "wall")
        return Completed(done.returncode, done.stdout, time.monotonic() - begun)

    def put(self, src: Path, dest: str) -> None:
        self._open()
        shutil.copyfile(src, self._inside(dest))

    def get(self, src: str, dest: Path) -> None:
        self._open()
        shutil.copyfile(self._inside(src), dest)

    def alive(self) -> bool:
        answers = not self.dead and not self.frozen and not self.hangs
        return not self._closed and answers and self._folder.is_dir()

    def standing(self) -> bool:
        return not self._closed and not self.dead

    def run_delay(self) -> RunDelay | None:
        return self.delay

    def freeze(self, frozen: bool) -> None:
        self.frozen = frozen

    def collect(self, into: Path) -> None:
        self._open()
        (into / "fake.log").write_text(f"{self.handle.id} was a fake\n")

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._owner is not None:
            folders.remove(self._folder)
            self._owner.closed.append(self.handle.id)

    def _open(self) -> None:
        if self._closed:
            raise RuntimeError(f"sandbox {self.handle.id} is closed")

    def _inside(self, name: str) -> Path:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise ValueError(f"{name!r} is outside of the sandbox's folder")
        return path


class Fake:
    """Starts at once. `started` and `closed` are the ids, in order; `live` those that stand."""

    kind: ClassVar[str] = "fake"

    def __init__(self) -> None:
        self.started: list[str] = []
        self.closed: list[str] = []
        self.sandboxes: dict[str, FakeSandbox] = {}

    @property
    def live(self) -> set[str]:
        return set(self.started) - set(self.closed)

    def probe(self) -> None:
        pass

    def start(self, spec: Spec, report: Report) -> FakeSandbox:
        with contextlib.ExitStack() as undo:
            folder = folders.create(self.kind, f"fake-{secrets.token_hex(4)}")
            undo.callback(folders.remove, folder)
            for name, action in self._steps():
                report(Progress(name))
                action()
                report(Progress(name, done=True, seconds=0.001))
            undo.pop_all()
        sandbox = self._make(folder)
        self.started.append(sandbox.handle.id)
        self.sandboxes[sandbox.handle.id] = sandbox
        return sandbox

    def attach(self, handle: Handle) -> FakeSandbox:
        return FakeSandbox(self.kind, Path(handle.data["dir"]), None)

    def find(self) -> Iterator[Handle]:
        for entry in folders.find(self.kind):
            data = {"dir": str(entry.path), "owner_alive": entry.owner_alive}
            yield Handle(self.kind, entry.id, entry.boot_id, data)

    def _steps(self) -> list[tuple[str, Callable[[], object]]]:
        return [("pretend", lambda: None)]

    def _make(self, folder: Path) -> FakeSandbox:
        return FakeSandbox(self.kind, folder, self)


class Slow(Fake):
    """Takes until `go` is set, or `seconds`; `begun` counts the starts under way or done."""

    kind: ClassVar[str] = "slow"

    def __init__(self, seconds: float = 30.0) -> None:
        super().__init__()
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self._seconds = seconds

    def _steps(self) -> list[tuple[str, Callable[[], object]]]:
        return [
            ("begin", self.begun.release),
            ("wait", lambda: self.go.wait(self._seconds)),
            ("end", lambda: None),
        ]


class Never(Fake):
    """Does not come up, and cleans up after itself."""

    kind: ClassVar[str] = "never"

    def _steps(self) -> list[tuple[str, Callable[[], object]]]:
        return [("pretend", lambda: None), ("wait", self._fail)]

    def _fail(self) -> None:
        raise StartFailed("wait: not in time: readiness", "the last words of a fake")


class Missing(Fake):
    """This machine cannot serve it."""

    kind: ClassVar[str] = "missing"

    def probe(self) -> None:
        raise Unavailable("needs a unicorn: apt-get install unicorn")

    def start(self, spec: Spec, report: Report) -> FakeSandbox:
        self.probe()
        raise AssertionError("unreachable")


class Dies(Fake):
    """Comes up, and is dead from then on."""

    kind: ClassVar[str] = "dies"

    def _make(self, folder: Path) -> FakeSandbox:
        sandbox = super()._make(folder)
        sandbox.dead = True
        return sandbox


class _Liar(FakeSandbox):
    def alive(self) -> bool:
        return True

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 10.0) -> Completed:
        return Completed(0, b"everything is fine\n", 0.001)


class Lies(Fake):
    """Says that it is alive and that every command succeeds, also when it is closed."""

    kind: ClassVar[str] = "lies"

    def _make(self, folder: Path) -> FakeSandbox:
        return _Liar(self.kind, folder, self)


class Providers:
    """What the pool calls to find a provider: `Providers(Fake(), Slow())`."""

    def __init__(self, *providers: Fake) -> None:
        self._by_kind = {p.kind: p for p in providers}

    def __call__(self, kind: str) -> Provider:
        if kind not in self._by_kind:
            raise Unavailable(f"there is no sandbox of kind {kind!r}")
        return self._by_kind[kind]
