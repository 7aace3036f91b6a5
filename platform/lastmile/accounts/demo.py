"""The class "demo": one instructor and two learners whose passwords everybody on this machine may know."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from lastmile.accounts.models import Role, User
from lastmile.classroom.models import Classroom, Membership


@dataclass(frozen=True)
class Person:
    username: str
    first_name: str
    last_name: str
    role: Role
    password: str


PEOPLE = (
    Person("teacher", "老师", "", Role.INSTRUCTOR, "demo-teacher"),
    Person("learner", "小林", "", Role.LEARNER, "demo-learner"),
    Person("classmate", "小周", "", Role.LEARNER, "demo-classmate"),
)


def sign_in_hints() -> list[dict[str, str]]:
    """What the sign-in page shows: nothing unless this installation is a demo."""
    if not settings.DEMO:
        return []
    return [{"username": p.username, "password": p.password, "role": str(p.role)} for p in PEOPLE]


@transaction.atomic
def seed() -> Classroom:
    """Make what is missing of the demo class. Never touches what is there, so it may run at each start."""
    classroom, _ = Classroom.objects.get_or_create(
        slug="demo", defaults={"title_zh": "演示班", "title_en": "Demo class"}
    )
    for person in PEOPLE:
        user = User.objects.filter(username=person.username).first()
        if user is None:
            user = User.objects.create_user(
                person.username,
                password=person.password,
                first_name=person.first_name,
                last_name=person.last_name,
                role=person.role,
            )
        Membership.objects.get_or_create(classroom=classroom, user=user, defaults={"role": person.role})
    return classroom
