"""What `manage.py up` keeps up: the whole course. One per state folder."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lastmile import environment
from lastmile.embedded import binaries, broker, database, programs
from lastmile.embedded.binaries import NotStarted
from lastmile.embedded.children import Child
from lastmile.embedded.supervisor import GRADER_SECONDS, Supervisor
from sandboxes.paths import run_dir, state_dir


@dataclass(frozen=True)
class Plan:
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    queues: str = programs.QUEUES


class Up(Supervisor):
    used_by_others = ("postgres", "redis")

    def __init__(self, plan: Plan, say: Callable[[str], None], prepare: Callable[[], str]) -> None:
        """`prepare` migrates and seeds once the database answers, and says in a few words what it did."""
        super().__init__(state_dir() / "up.lock", say, state_dir() / "logs")
        self.plan, self.prepare = plan, prepare

    def _bring_up(self) -> None:
        _check_port(self.plan.host, self.plan.port)
        account = binaries.account()
        postgres = None if environment.is_given("DATABASE_URL") else self._begin_postgres(account)
        redis_ = None if environment.is_given("REDIS_URL") else self._begin_redis(account)
        pool = self._start(programs.pool())
        if postgres is not None:
            with self._step("PostgreSQL"):
                postgres.wait_ready(lambda: database.is_ready(environment.postgres_socket_dir()), 60.0)
                database.ensure_database(environment.postgres_socket_dir(), "lastmile")
        if redis_ is not None:
            with self._step("Redis"):
                redis_.wait_ready(lambda: broker.is_ready(environment.redis_socket()), 60.0)
        web = self._start(programs.web(self.plan.host, self.plan.port))
        with self._step("database tables") as told:
            told.append(self.prepare())
        workers = [self._start(programs.worker(n, self.plan.queues)) for n in range(1, self.plan.workers + 1)]
        self._start(programs.sweeper())
        self._await_python(web, workers, pool)
        took = time.monotonic() - self.began
        self.say(f"{took:6.1f} s  in all; logs are in {self.logs}, Ctrl-C stops it")
        self.say(f"ready at http://{self.plan.host}:{self.plan.port}")

    def _begin_postgres(self, account: binaries.Account) -> Child:
        data = state_dir() / "postgres"
        installed = binaries.postgres(account)
        database.wait_for_former(data)
        if not (data / "PG_VERSION").exists():
            with self._step("new PostgreSQL cluster"):
                database.initialise(installed, data, account)
        run_dir().mkdir(parents=True, exist_ok=True)
        return self._start(database.program(installed, data, environment.postgres_socket_dir(), account))

    def _begin_redis(self, account: binaries.Account) -> Child:
        socket_ = environment.redis_socket()
        run_dir().mkdir(parents=True, exist_ok=True)
        return self._start(broker.program(binaries.redis_server(), state_dir() / "redis", socket_, account))

    def _await_python(self, web: Child, workers: list[Child], pool: Child) -> None:
        with self._step("pool of sandboxes") as told:
            pool.wait_ready(programs.pool_answers, 60.0)
            told.append(_warm_up())
        with self._step("site"):
            web.wait_ready(lambda: _site_answers(self.plan), 60.0)
        with self._step(f"{len(workers)} graders"):
            for number, child in enumerate(workers, 1):
                child.wait_ready(partial(_worker_answers, programs.worker_name(number)), GRADER_SECONDS)


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise NotStarted(
                f"{host}:{port} is taken by another program: stop that one, or choose a port: `make up PORT=8001`"
            ) from error


def _site_answers(plan: Plan) -> bool:
    request = urllib.request.Request(f"http://{plan.host}:{plan.port}/healthz")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _worker_answers(name: str) -> bool:
    from lastmile.celery import app

    return bool(app.control.ping(destination=[name], timeout=0.3, limit=1))


def _warm_up() -> str:
    """Ask the pool for spares before the graders are there to do so."""
    from lastmile.practice import catalog, spares

    asked = spares.ask_for(catalog.everything())
    return f"warming {asked} sandbox{'es' if asked != 1 else ''}" if asked else ""
