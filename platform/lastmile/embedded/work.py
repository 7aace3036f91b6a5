"""What `manage.py work` keeps up: the pool of this machine, and the workers that lease from it."""

from __future__ import annotations

import socket
from collections.abc import Callable

from lastmile.embedded import programs
from lastmile.embedded.binaries import NotStarted
from lastmile.embedded.supervisor import GRADER_SECONDS, Supervisor
from sandboxes.paths import run_dir


class Work(Supervisor):
    # A worker that is told to stop gives its run back, and its lease with it; the pool then has nothing to wait for.
    used_by_others = ("pool",)

    def __init__(self, workers: int, queues: str, say: Callable[[str], None]) -> None:
        super().__init__(run_dir() / "work.lock", say, logs=None)
        self.workers, self.queues = workers, queues

    def _bring_up(self) -> None:
        """The pool first: each worker asks it for spares when it has come up."""
        if (
            programs.pool_answers()
        ):  # in another container, whose processes these workers could not look after
            raise NotStarted(
                f"another pool answers at {run_dir()}: end it first (docker compose up --remove-orphans)"
            )
        pool = self._start(programs.pool())
        with self._step("pool of sandboxes"):
            pool.wait_ready(programs.pool_answers, GRADER_SECONDS)
        # Celery wants every worker of a broker to have a name of its own, and there may be more machines.
        host = socket.gethostname()
        for number in range(1, self.workers + 1):
            self._start(programs.worker(number, self.queues, host))
        self.say(f"workers: {self.workers}, for {self.queues}")
