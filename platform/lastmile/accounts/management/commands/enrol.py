from __future__ import annotations

import csv
import secrets
import sys
from argparse import FileType
from collections.abc import Iterable
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from lastmile.accounts.models import Role, User
from lastmile.classroom.models import Classroom, Membership


class Command(BaseCommand):
    help = "Put people into a class, from lines `username,name,role` on stdin or in a file; new ones get a password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="of the class; it is made when there is none")
        parser.add_argument("people", nargs="?", type=FileType("r", encoding="utf-8"), default=sys.stdin)
        parser.add_argument("--title-zh", default="")
        parser.add_argument("--title-en", default="")

    @transaction.atomic
    def handle(
        self, *args: Any, slug: str, people: IO[str], title_zh: str, title_en: str, **options: Any
    ) -> None:
        """All of it or, after the first wrong line, nothing."""
        titles = {"title_zh": title_zh or slug, "title_en": title_en or slug}
        classroom, _ = Classroom.objects.get_or_create(slug=slug, defaults=titles)
        for number, row in enumerate(_rows(people), 1):
            try:
                username, password = enrol(classroom, *row)
            except (TypeError, ValueError, ValidationError) as error:
                raise CommandError(
                    f"line {number}, {','.join(row)!r}: {error}; nobody was enrolled"
                ) from error
            self.stdout.write(f"{username},{password or 'unchanged'}")


def _rows(lines: Iterable[str]) -> Iterable[list[str]]:
    return ([cell.strip() for cell in row] for row in csv.reader(lines) if row)


def enrol(classroom: Classroom, username: str, name: str = "", role: str = Role.LEARNER) -> tuple[str, str]:
    """Make the person if they are new, and their place in the class. Gives the username and a new password, or ""."""
    role = Role(role)
    user, password = User.objects.filter(username=username).first(), ""
    if user is None:
        password = secrets.token_urlsafe(9)
        user = User(username=username, first_name=name, role=role)
        user.set_password(password)
        user.full_clean()
        user.save()
    Membership.objects.update_or_create(classroom=classroom, user=user, defaults={"role": role})
    if role == Role.INSTRUCTOR and not user.is_instructor:
        User.objects.filter(pk=user.pk).update(role=role)
    return username, password
