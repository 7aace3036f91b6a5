"""The grader processes of one run: one for each kernel of the lab, side by side, or one alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labs.harness import pace
from labs.harness.ailing import Ailments
from labs.harness.events import Emitter
from labs.harness.jails import Jails
from labs.harness.manifest import Lab
from labs.harness.matrix import Matrix
from labs.harness.session import Options, Outcome, Session
from labs.harness.verdict import CheckResult
from sandboxes.interface import Handle


class Graders:
    """start() → go() → wait(). `machines` has the handles by kernel, and is empty or has "" for a lab without any."""

    def __init__(
        self,
        lab: Lab,
        sandbox: Mapping[str, Any],
        jails: Jails,
        emitter: Emitter,
        *,
        seed: int,
        options: Options,
        machines: Mapping[str, Handle] | None = None,
    ) -> None:
        own = {kernel: handle for kernel, handle in (machines or {}).items() if kernel}
        kernels = tuple(own) or ("",)
        self._changed = threading.Condition()
        self._matrix = Matrix(lab, kernels, emitter.emit)
        self._sessions = [
            Session(
                lab,
                sandbox,
                jails,
                emitter,
                self._changed,
                self._matrix.take,
                seed=seed,
                options=options,
                kernel=kernel,
                machine=own.get(kernel),
            )
            for kernel in kernels
        ]

    @property
    def results(self) -> Mapping[str, CheckResult]:
        return self._matrix.results

    def start(self) -> None:
        """Start them and hand them their assignments. Raises StartFailed, Cancelled."""
        for session in self._sessions:
            session.start()

    def go(self, program: Path, bpf: Path | None = None, sources: Mapping[str, str] | None = None) -> None:
        """Let the checks begin: see Session.go."""
        for session in self._sessions:
            session.go(program, bpf, sources)

    def wait_first(self, timeout: float) -> None:
        """Until a check has a result, or the graders have ended."""
        with self._changed:
            pace.wait_for(self._changed, lambda: bool(self.results) or self._over() is not None, timeout)

    def wait(self, timeout: float) -> Outcome:
        """How it ended: well when all ended well, else as the first that did not. One that takes longer is broken."""
        latest = time.monotonic() + timeout * pace.CROWDED
        with self._changed:
            pace.wait_for(self._changed, lambda: self._over() is not None, timeout, latest)
            late = [session.log() for session in self._sessions if session.outcome is None]
            broken = Outcome(broken="\n".join([f"a grader did not end within {timeout:g} s", *late]))
            return self._over() or broken

    def fell(self, ailments: Ailments) -> None:
        """The sandbox does not stand any more: nothing that comes from now on counts."""
        for session in self._sessions:
            session.fell(ailments)

    def slow(self, kernel: str, factor: float) -> None:
        """All takes so many times as long in the sandbox of that kernel."""
        for session in self._sessions:
            if session.kernel == kernel:
                session.slow(factor)

    def close(self) -> None:
        for session in self._sessions:
            session.close()

    def _over(self) -> Outcome | None:
        """None while nothing is wrong and one of them is still at it."""
        outcomes = [session.outcome for session in self._sessions]
        bad = next((one for one in outcomes if one and (one.broken or one.crashed or one.ailments)), None)
        return bad or (outcomes[0] if all(outcomes) else None)
