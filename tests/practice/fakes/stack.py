"""A whole platform of its own, without the jail: servers, site, workers, sweeper, each a real process."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from lastmile.embedded import binaries, broker, database, programs
from lastmile.embedded.children import Child, Program

FAKES = Path(__file__).parent


def eventually(ask: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `ask` says once it says something true. Fails when it never does."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.03)
    return answer


class Stack:
    def __init__(self, root: Path) -> None:
        self.root, self.gate = root, root / "gate"
        self.sockets, self.redis_socket = root / "run" / "postgres", root / "run" / "redis" / "redis.sock"
        self.children: dict[str, Child] = {}
        self.undo = ExitStack()
        self.account = binaries.account()
        self.postgres = binaries.postgres(self.account)
        self.url = database.url(self.sockets, "lastmile")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        env = programs.environment() | {
            "DATABASE_URL": self.url,
            "REDIS_URL": f"unix://{self.redis_socket}?db=0",
            "LASTMILE_SECRET_KEY": "of the test stack",
            "LASTMILE_STATE": str(self.root / "state"),
            "LASTMILE_RUN": str(self.root / "run"),
            "LASTMILE_TEST_LABS": str(self.root / "labs"),
            "LASTMILE_TEST_GATE": str(self.gate),
            "LASTMILE_DEMO": "1",
            "DJANGO_SETTINGS_MODULE": "settings_with_fakes",
        }
        env["PYTHONPATH"] += f":{FAKES}"
        return env

    # starting and ending

    def start(self, program: Program, ready: Callable[[], bool] | None = None) -> Child:
        child = self.children[program.name] = Child(program, self.root / "logs")
        if ready is not None:
            child.wait_ready(ready, 60.0)
        return child

    def start_postgres(self) -> None:
        program = database.program(self.postgres, self.root / "pg", self.sockets, self.account, durable=False)
        self.start(program, lambda: database.is_ready(self.sockets))

    def start_redis(self) -> None:
        program = broker.program(
            binaries.redis_server(), self.root / "redis", self.redis_socket, self.account
        )
        self.start(program, lambda: broker.is_ready(self.redis_socket))

    def start_web(self) -> None:
        self.start(replace(programs.web("127.0.0.1", self.port), env=self.environment()), self._web_answers)

    def start_worker(self, number: int = 1) -> Child:
        program = programs.worker(number, "build")
        argv = ["worker_with_fakes" if part == "lastmile" else part for part in program.argv]
        argv[argv.index("--queues") + 1] = "build"
        child = Child(replace(program, argv=argv, env=self.environment()), self.root / "logs")
        self.children[program.name] = child
        size = child.log.stat().st_size
        child.wait_ready(lambda: b" ready." in child.log.read_bytes()[size:], 180.0)
        return child

    def start_sweeper(self) -> None:
        self.start(replace(programs.sweeper(), env=self.environment()))

    def stop(self, name: str) -> None:
        child = self.children.pop(name)
        child.ask_to_stop()
        assert child.wait_stopped(), f"{name} had to be killed"

    def kill(self, name: str) -> None:
        child = self.children.pop(name)
        child.process.kill()
        child.process.wait()

    def close(self) -> None:
        for name in sorted(self.children, key=lambda name: name in ("postgres", "redis")):
            child = self.children[name]
            child.process.send_signal(signal.SIGCONT)
            child.ask_to_stop()
            child.wait_stopped()

    def manage(self, *words: str) -> None:
        program = Program(
            "manage", [sys.executable, str(programs.ROOT / "manage.py"), *words], self.environment()
        )
        child = Child(replace(program, cwd=programs.ROOT), self.root / "logs")
        assert child.process.wait(60) == 0, child.last_words()

    def _web_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    # looking and asking

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row, autocommit=True) as connection:
            cursor = connection.execute(query, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def run(self, run_id: str) -> dict[str, Any]:
        return self.rows("SELECT * FROM practice_run WHERE id = %s", run_id)[0]

    def client(self, username: str) -> httpx.Client:
        """Speaks for the person by a new API token."""
        secret = "lm_" + secrets.token_urlsafe(32)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        self.rows(
            "INSERT INTO accounts_apitoken (user_id, name, digest, hint, created_at)"
            " SELECT id, 'test', %s, '', now() FROM accounts_user WHERE username = %s",
            digest,
            username,
        )
        headers = {"Authorization": f"Bearer {secret}"}
        return self.undo.enter_context(
            httpx.Client(base_url=self.base, headers=headers, timeout=30.0, trust_env=False)
        )

    def submit(
        self, client: httpx.Client, trait: str, key: str = "", text: str = "package main\n"
    ) -> httpx.Response:
        body = {"lab": f"fakes/{trait}", "files": {"main.go": text}}
        return client.post(
            "/api/v1/submissions", json=body, headers={"Idempotency-Key": key or secrets.token_hex(8)}
        )

    def finished(self, run_id: str, seconds: float = 30.0) -> dict[str, Any]:
        def done() -> dict[str, Any] | None:
            row = self.run(run_id)
            return row if row["state"] == "done" else None

        found: dict[str, Any] = eventually(done, seconds)
        return found


def follow(client: httpx.Client, url: str, after: str = "") -> Iterator[tuple[str, str, Any]]:
    """(id, event, data) of a stream until it ends."""
    headers = {"Last-Event-ID": after} if after else {}
    with client.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200, answer.status_code
        id_ = event = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                id_ = value
            elif name == "event":
                event = value
            elif name == "data":
                yield id_, event, json.loads(value)


@contextmanager
def running(root: Path) -> Iterator[Stack]:
    """A stack with the demo class, one worker and the sweeper."""
    from labs_of_one_trait import write

    os.chmod(root, 0o755)  # noqa: PTH101
    (root / "run").mkdir()
    write(root / "labs")
    stack = Stack(root)
    try:
        database.initialise(stack.postgres, root / "pg", stack.account)
        stack.start_postgres()
        stack.start_redis()
        database.ensure_database(stack.sockets, "lastmile")
        stack.manage("migrate", "--verbosity", "0")
        stack.manage("demo")
        stack.start_web()
        stack.start_sweeper()
        yield stack
    finally:
        stack.undo.close()
        stack.close()
