from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from lastmile.accounts.demo import PEOPLE, seed
from lastmile.embedded.binaries import NotStarted
from lastmile.embedded.programs import workers_here
from lastmile.embedded.up import Plan, Up


class Command(BaseCommand):
    help = "Serve the course: PostgreSQL, Redis, the pool, workers, sweeper and site, until Ctrl-C."
    requires_system_checks: list[str] = []  # checks may ask the database, which is not up yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--workers", type=int, default=workers_here(), help="runs that are graded at once"
        )
        parser.add_argument("--no-demo", action="store_true", help="do not make the class 'demo'")

    def handle(self, *args: Any, host: str, port: int, workers: int, no_demo: bool, **options: Any) -> None:
        settings.DEMO = not no_demo
        os.environ["LASTMILE_DEMO"] = "0" if no_demo else "1"
        try:
            Up(Plan(host, port, workers), self._say, _prepare).run()
        except NotStarted as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _prepare() -> str:
    """Migrate, and seed the demo class."""
    call_command("migrate", verbosity=0, interactive=False)
    told = ""
    if settings.DEMO:
        seed()
        told = "demo class: " + ", ".join(f"{p.username} / {p.password}" for p in PEOPLE)
    connections.close_all()
    return told
