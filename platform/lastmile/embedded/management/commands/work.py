from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lastmile.embedded.binaries import NotStarted
from lastmile.embedded.programs import QUEUES, workers_here
from lastmile.embedded.work import Work


class Command(BaseCommand):
    help = "Grade what is queued: the pool of sandboxes and its workers, until SIGTERM."
    requires_system_checks: list[
        str
    ] = []  # checks may ask the database, which may be away; workers wait for it

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--workers", type=int, default=workers_here(), help="runs that are graded at once"
        )
        parser.add_argument("--queues", default=QUEUES, help="kinds of sandbox that are served, by comma")

    def handle(self, *args: Any, workers: int, queues: str, **options: Any) -> None:
        try:
            Work(workers, queues, self._say).run()
        except NotStarted as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
