"""What the header of every page needs: the classes that the reader teaches."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest

from lastmile.accounts.models import Role, User
from lastmile.classroom.models import Classroom


def classes(request: HttpRequest) -> dict[str, Callable[[], list[Classroom]]]:
    """`classrooms_taught`: a callable, so that pages which do not show it ask nothing of the database."""

    def taught() -> list[Classroom]:
        user = getattr(request, "user", None)
        if not isinstance(user, User) or not user.is_instructor:
            return []
        chosen = Classroom.objects.filter(memberships__user=user, memberships__role=Role.INSTRUCTOR)
        return list(chosen)

    return {"classrooms_taught": taught}
