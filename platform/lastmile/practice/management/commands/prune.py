from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from lastmile.practice.models import RunLog


class Command(BaseCommand):
    help = "Let go of the logs of runs that ended so many days ago. Verdicts, checks and files stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, required=True, help="keep the logs of the last so many days")

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        if not 1 <= days <= 36_500:
            raise CommandError(f"--days is {days}, must be between 1 and 36500")
        old = RunLog.objects.filter(run__finished_at__lt=timezone.now() - timedelta(days=days))
        gone, _ = old.delete()
        self.stdout.write(f"{gone} logs")
