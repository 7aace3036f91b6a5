from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from lastmile.accounts.demo import PEOPLE, seed


class Command(BaseCommand):
    help = "Make the class 'demo' with an instructor and two learners, and print how to sign in."

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEMO or settings.DEBUG):
            raise CommandError("its passwords are public: set LASTMILE_DEMO=1 if that is what you want here")
        classroom = seed()
        self.stdout.write(f"class {classroom.slug}: /class/{classroom.slug}/")
        for person in PEOPLE:
            self.stdout.write(f"  {person.role:10}  {person.username:10}  {person.password}")
