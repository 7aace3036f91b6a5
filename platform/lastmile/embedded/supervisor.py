"""Brings everything up in order, keeps it up, and ends it. One supervisor per state folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from lastmile import environment
from lastmile.embedded import binaries, broker, database, programs
from lastmile.embedded.binaries import NotStarted
from lastmile.embedded.children import Child, Program
from sandboxes.paths import run_dir, state_dir

LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
LOOK_SECONDS = 0.25
# Graders go behind everything else: on a machine that is busy with other things they start slowly.
GRADER_SECONDS = 180.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(BaseException):
    """Somebody asked us to end. Not an Exception, so that nothing on the way swallows it."""


@dataclass
class Kept:
    """A child that is started again when it ends by itself."""

    child: Child
    pause: float = 1.0
    again_at: float = 0.0


@dataclass(frozen=True)
class Plan:
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    queues: str = "cluster,vm,build"


class Supervisor:
    def __init__(self, plan: Plan, say: Callable[[str], None], prepare: Callable[[], str]) -> None:
        """`prepare` migrates and seeds once the database answers, and says in a few words what it did."""
        self.plan, self.say, self.prepare = plan, say, prepare
        self.began = time.monotonic()
        self.logs = state_dir() / "logs"
        self.kept: list[Kept] = []
        # Plain, because a signal handler that takes a lock may wait for the very code that it interrupted.
        self.asked = False

    def run(self) -> None:
        """Until SIGINT, SIGTERM or SIGHUP. Raises NotStarted; whatever was started is ended either way."""
        with _only_one(), self._signals():
            _check_port(self.plan.host, self.plan.port)
            try:
                self._bring_up()
                self._keep_up()
            except Stop:
                self.say("")
            finally:
                self.asked = True
                self._bring_down()

    def _bring_up(self) -> None:
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
            pool.wait_ready(_pool_answers, 60.0)
            told.append(_warm_up())
        with self._step("site"):
            web.wait_ready(lambda: _site_answers(self.plan), 60.0)
        with self._step(f"{len(workers)} graders"):
            for number, child in enumerate(workers, 1):
                name = programs.worker_name(number)
                child.wait_ready(lambda name=name: _worker_answers(name), GRADER_SECONDS)  # type: ignore[misc]

    def _start(self, program: Program) -> Child:
        child = Child(program, self.logs)
        self.kept.append(Kept(child))
        return child

    @contextlib.contextmanager
    def _step(self, what: str) -> Iterator[list[str]]:
        """Announce `what` with the seconds it took; what the block appends to the list is said beside it."""
        began = time.monotonic()
        told: list[str] = []
        yield told
        more = f": {', '.join(filter(None, told))}" if any(told) else ""
        self.say(f"{time.monotonic() - began:6.1f} s  {what}{more}")

    def _keep_up(self) -> None:
        while not self.asked:
            time.sleep(LOOK_SECONDS)  # a signal ends it at once, by Stop
            for kept in self.kept:
                self._look_after(kept)

    def _look_after(self, kept: Kept) -> None:
        """Start again what ended, at once the first time and then ever more slowly."""
        child, now = kept.child, time.monotonic()
        if child.alive:
            return
        if not kept.again_at:
            if now - child.started > STEADY_SECONDS:
                kept.pause = 1.0
            kept.again_at = now + kept.pause
            code = child.process.returncode
            name, words = child.program.name, child.last_words()
            self.say(f"  {name} ended with {code}, starting it again in {kept.pause:.0f} s: {words}")
        elif now >= kept.again_at:
            kept.pause, kept.again_at = min(kept.pause * 2, LONGEST_PAUSE), 0.0
            kept.child = Child(child.program, self.logs)

    def _bring_down(self) -> None:
        """Those that use the servers first, then the servers."""
        servers = [kept.child for kept in self.kept if kept.child.program.name in ("postgres", "redis")]
        users = [kept.child for kept in self.kept if kept.child not in servers]
        for group in (users, servers):
            for child in group:
                child.ask_to_stop()
            for child in group:
                if not child.wait_stopped():
                    self.say(f"  {child.program.name} did not stop in time and was killed")
        if self.kept:
            self.say("stopped")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def ask(_number: int, _frame: FrameType | None) -> None:
            if not self.asked:
                self.asked = True
                raise Stop

        former = {number: signal.signal(number, ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    state_dir().mkdir(parents=True, exist_ok=True)
    path = state_dir() / "up.lock"
    with path.open("a+") as file:
        _lock(file, path)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "?"
        raise NotStarted(
            f"Lastmile is already up (pid {holder} holds {path}): stop it first, "
            "or set LASTMILE_STATE and LASTMILE_RUN"
        ) from error


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


def _pool_answers() -> bool:
    from sandboxes.pool import client

    try:
        return client.status() is not None
    except (OSError, ValueError):
        return False


def _warm_up() -> str:
    """Ask the pool for spares before the graders are there to do so."""
    from lastmile.practice import catalog, spares

    asked = spares.ask_for(catalog.everything())
    return f"warming {asked} sandbox{'es' if asked != 1 else ''}" if asked else ""
