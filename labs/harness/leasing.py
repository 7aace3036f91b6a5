"""The sandbox of one run, leased in a thread so that the wait is hidden behind the build."""

from __future__ import annotations

import contextlib
import fcntl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any

from labs.harness.ailing import Ailments
from labs.harness.events import Emitter, Text
from labs.harness.manifest import Lab
from sandboxes.interface import Handle, Progress, Spec, StartFailed, Unavailable
from sandboxes.paths import run_dir
from sandboxes.pool import client
from sandboxes.pool.client import GivingUp

# beyond what runs before it can take: a pool that hangs, memory that never comes
LONGEST_WAIT_SECONDS = 1800.0
_LOOK_SECONDS = 1.0
_FALL_SECONDS = 2.0  # a process that ended is known to its keeper by then
_AILING_POLL_SECONDS = 0.2
_POLL_SECONDS = 0.05
_GUEST_BYTES = 512 << 20  # a guest of 256 MiB, the emulator, and the pages that it copies

_READY = {
    "template": Text("虚拟机模板就绪", "the machine's template is ready"),
    "restore": Text("虚拟机已恢复运行", "the machine is restored and runs"),
}


def sandbox_specs(lab: Lab) -> dict[str, Spec]:
    """What a run of `lab` leases, by kernel ("" where the lab has none of its own); {} without a sandbox.

    A spare kept warm for it has to be started from the same.
    """
    if lab.sandbox == "none":
        return {}
    if lab.sandbox == "vm":
        return {kernel: Spec("vm", _GUEST_BYTES, {"kernel": kernel}) for kernel in lab.kernels}
    manifests = [str(lab.folder / name) for name in lab.manifests]
    return {"": Spec(lab.sandbox, options={"manifests": manifests} if manifests else {})}


class Leasing:
    """A context manager: entering asks for the sandbox, leaving gives it back, leased by then or not."""

    def __init__(self, lab: Lab, emitter: Emitter) -> None:
        self._lab, self._emitter = lab, emitter
        self._handles: dict[str, Handle] = {}
        self._error: BaseException | None = None
        self._have, self._release = threading.Event(), threading.Event()
        self._giving_up = GivingUp()
        self._begun = self._queued_until = self._leased = time.monotonic()
        self._announced = False
        # not a daemon: a process that ends meanwhile still waits until a sandbox of its own is gone
        self._thread = threading.Thread(target=self._hold, name="lease")

    def __enter__(self) -> Leasing:
        if self._lab.sandbox == "none":
            self._have.set()
        else:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release.set()
        self._giving_up.set()
        if self._have.is_set() and self._thread.ident:
            self._thread.join()  # a sandbox in use is gone when the run is; one that still starts goes by itself

    def done(self, timeout: float) -> bool:
        """Whether there is a sandbox, or none to be had. Raises StartFailed for a wait that no queue explains."""
        if not self._have.wait(timeout) and time.monotonic() - self._begun > LONGEST_WAIT_SECONDS:
            raise StartFailed(f"no sandbox within {LONGEST_WAIT_SECONDS:g} s")
        return self._have.is_set()

    def result(self) -> Mapping[str, Any]:
        """The data of the only handle; {} for a lab with none or with several. As machines()."""
        only = self.machines().get("")
        return only.data if only else {}

    def machines(self) -> Mapping[str, Handle]:
        """The handles by kernel. Raises what leasing raised. After done()."""
        if self._error:
            raise self._error
        return self._handles

    @property
    def _watched(self) -> Handle | None:
        """The control plane, which must stand to the end. A guest is its learner's to end."""
        return self._handles.get("")

    @contextlib.contextmanager
    def watched(self, fell: Callable[[Ailments], None]) -> Iterator[None]:
        """Call `fell` once, from another thread, as soon as the sandbox has fallen while the block runs."""
        over = threading.Event()

        def watch() -> None:
            while self._watched and not over.wait(_LOOK_SECONDS):
                if ailments := client.ailments(self._watched):
                    fell(ailments)
                    return

        watcher = threading.Thread(target=watch, name="sandbox", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def diagnose(self, broken: bool) -> Ailments:
        """What keeps the sandbox from being believed now; {} when it is well or there is none.

        A grader that broke may have seen the fall before the keeper did, or an API server that is full.
        """
        deadline = time.monotonic() + (_FALL_SECONDS if broken else 0.0)
        while self._watched:
            if (found := client.ailments(self._watched, deep=broken)) or time.monotonic() >= deadline:
                return found
            time.sleep(_AILING_POLL_SECONDS)
        return {}

    def parts(self) -> dict[str, float]:
        return {
            "queue": round(self._queued_until - self._begun, 3),
            "lease": round(self._leased - self._queued_until, 3),
        }

    def announce(self) -> None:
        """Say once that the run now waits for nothing but the sandbox."""
        if not self._announced:
            self._announced = True
            self._emitter.emit("state", state="leasing")

    def _hold(self) -> None:
        specs = sandbox_specs(self._lab)
        try:
            with contextlib.ExitStack() as held:
                with _alone(self._release) if len(specs) > 1 else contextlib.nullcontext():
                    for kernel, spec in specs.items():
                        told = partial(self._on_progress, kernel)
                        beside = len(self._handles)
                        leased = client.lease(spec, self._on_queue, told, self._giving_up, beside)
                        self._handles[kernel] = held.enter_context(leased)
                self._leased = time.monotonic()
                self._have.set()
                self._release.wait()
        except BaseException as error:  # noqa: BLE001  handed to the run by result()
            self._error = error
        finally:
            self._have.set()

    def _on_queue(self, position: int) -> None:
        self._queued_until = time.monotonic()
        if position:
            text = Text(f"排队等沙箱：第 {position} 位", f"waiting for a sandbox: number {position} in line")
            self._emitter.emit("step", source="sandbox", text=text)

    def _on_progress(self, kernel: str, progress: Progress) -> None:
        if progress.done:
            usual = Text(f"{progress.step} 就绪", f"{progress.step} is up")
            text = _READY.get(progress.step, usual)
            where = {"kernel": kernel} if kernel else {}
            self._emitter.emit("step", source="sandbox", text=text, seconds=progress.seconds, **where)


@contextlib.contextmanager
def _alone(given_up: threading.Event) -> Iterator[None]:
    """Only one run of this machine gathers sandboxes at a time.

    Two that each hold one of the last two places and wait for a second would wait for ever. The kernel
    lets go of the lock when this process ends. Raises Unavailable when the run was given up meanwhile.
    """
    run_dir().mkdir(parents=True, exist_ok=True)
    with (run_dir() / "leasing.lock").open("w") as lock:
        while not given_up.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                given_up.wait(_POLL_SECONDS)
        else:
            raise Unavailable("the run was given up")
        yield
