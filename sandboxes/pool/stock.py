"""The spares: started ahead, frozen until they are leased."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

from sandboxes.interface import Progress, Provider, Sandbox, Spec
from sandboxes.pool.messages import key

log = logging.getLogger("lastmile.pool")

# certificates last two days; a spare that waited for half of one is replaced
_OLDEST_SECONDS = 12 * 3600.0
_LAST_START_SECONDS = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_LOOK_SECONDS = 5.0


class _Closed(Exception):
    """The stock was closed while a spare was being started."""


class ProviderOf(Protocol):
    """Finds the provider of a kind. Raises Unavailable for one that is not known."""

    def __call__(self, kind: str) -> Provider: ...


def _freeze(sandbox: Sandbox, frozen: bool) -> None:
    method = getattr(sandbox, "freeze", None)
    if method is not None:
        method(frozen)


def _thawed(sandbox: Sandbox) -> bool:
    """Whether it answers again. It is in nobody's list here: what cannot be asked is ended."""
    try:
        _freeze(sandbox, False)
        return sandbox.alive()
    except BaseException:
        sandbox.close()
        raise


def _settle(sandbox: Sandbox) -> None:
    """What is frozen half started would go on starting at the learner's expense."""
    method = getattr(sandbox, "settle", None)
    if method is not None:
        method()


def _stands(sandbox: Sandbox) -> bool:
    """Whether its processes are there, which can be asked of a frozen one too."""
    method = getattr(sandbox, "standing", None)
    return method is None or bool(method())


@dataclass(eq=False)
class _Spare:
    sandbox: Sandbox
    since: float = field(default_factory=time.monotonic)


class Stock:
    """Keeps `count` spares of each spec that was asked for. `busy` holds refilling back while runs go on."""

    def __init__(self, find: ProviderOf) -> None:
        self._provider = find
        self._changed = threading.Condition()
        self._wanted: dict[str, tuple[Spec, int]] = {}
        self._spares: dict[str, list[_Spare]] = {}
        self._busy = 0
        self._closed = False
        self.starting = 0
        self._thread = threading.Thread(target=self._refill, name="refill", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def want(self, spec: Spec, count: int) -> None:
        with self._changed:
            self._wanted[key(spec)] = (spec, count)
            self._changed.notify_all()

    def warm(self, spec: Spec | None = None) -> int:
        """Spares that wait; of one spec, or all of them."""
        with self._changed:
            if spec is not None:
                return len(self._spares.get(key(spec), []))
            return sum(len(s) for s in self._spares.values())

    def busy(self, change: int) -> None:
        """A run begins (+1) or has ended (-1)."""
        with self._changed:
            self._busy += change
            self._changed.notify_all()

    def take(self, spec: Spec) -> Sandbox | None:
        """A spare that is alive, thawed; None when there is none."""
        while True:
            with self._changed:
                spares = self._spares.get(key(spec), [])
                if not spares:
                    return None
                sandbox = spares.pop(0).sandbox
                self._changed.notify_all()
            if _thawed(sandbox):
                return sandbox
            log.warning("spare %s did not come back from the freeze", sandbox.handle.id)
            sandbox.close()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            spares = [s for group in self._spares.values() for s in group]
            self._spares.clear()
            self._changed.notify_all()
        for spare in spares:
            spare.sandbox.close()
        # a start that goes on longer ends with this process: its keepers watch for that
        self._thread.join(_LAST_START_SECONDS)

    def _missing(self) -> Spec | None:
        """What to start next. Not while a run goes on: it would pay for it with its own processor."""
        if self._busy:
            return None
        for name, (spec, count) in self._wanted.items():
            if len(self._spares.get(name, [])) < count:
                return spec
        return None

    def _refill(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or self._missing() is not None, timeout=_LOOK_SECONDS
                )
                if self._closed:
                    return
                worn = self._take_worn()
                spec = self._missing()
                self.starting = 1 if spec else 0
            for spare in worn:
                spare.sandbox.close()
            if spec is None:
                continue
            if self._add(spec):
                pause = _FIRST_PAUSE
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._closed, timeout=pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _take_worn(self) -> list[_Spare]:
        """Take out the spares that are too old or have died."""
        limit = time.monotonic() - _OLDEST_SECONDS
        worn = []
        for group in self._spares.values():
            worn += [s for s in group if s.since < limit or not _stands(s.sandbox)]
            group[:] = [s for s in group if s not in worn]
        return worn

    def _add(self, spec: Spec) -> bool:
        try:
            sandbox = self._start(spec)
        except _Closed:
            return False
        except Exception:
            # whatever is wrong with it, the pool itself must go on; leases then start cold and say why
            log.exception("a spare %s did not start", spec.kind)
            return False
        finally:
            self.starting = 0
        with self._changed:
            if not self._closed:
                self._spares.setdefault(key(spec), []).append(_Spare(sandbox))
                self._changed.notify_all()
                return True
        sandbox.close()
        return True

    def _start(self, spec: Spec) -> Sandbox:
        sandbox = self._provider(spec.kind).start(spec, self._go_on)
        try:
            _settle(sandbox)
            _freeze(sandbox, True)
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def _go_on(self, progress: Progress) -> None:
        """Hears each step of a start; a stock that is closed does not wait for the last one."""
        if self._closed:
            raise _Closed
