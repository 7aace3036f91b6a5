"""`manage.py enrol`: a class from a list."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from lastmile.accounts.models import User
from lastmile.classroom.models import Classroom

pytestmark = pytest.mark.django_db


def _enrol(people: str, slug: str = "autumn") -> list[list[str]]:
    out = io.StringIO()
    call_command("enrol", slug, people=io.StringIO(people), title_zh="", title_en="", stdout=out)
    return [line.split(",") for line in out.getvalue().splitlines()]


def test_it_works() -> None:
    printed = _enrol("wang,老王,instructor\nlin,小林\n")
    classroom = Classroom.objects.get(slug="autumn")
    wang = User.objects.get(username="wang")
    assert classroom.is_taught_by(wang)
    assert [user.name for user in classroom.learners()] == ["小林"]
    for username, password in printed:
        assert Client().login(username=username, password=password)


def test_who_is_there_keeps_the_password() -> None:
    _enrol("lin,小林\n")
    before = User.objects.get(username="lin").password
    assert _enrol("lin\n", "spring") == [["lin", "unchanged"]]
    assert User.objects.get(username="lin").password == before
    assert Classroom.objects.get(slug="spring").learners().count() == 1


@pytest.mark.parametrize("wrong", ["zhou,小周,king", "a b,bad name", "x,y,learner,more"])
def test_one_wrong_line_enrols_nobody(wrong: str) -> None:
    with pytest.raises(CommandError, match="line 2"):
        _enrol(f"lin,小林\n{wrong}\n")
    assert not User.objects.exists()
