"""A class: who teaches it and who learns in it."""

from __future__ import annotations

from django.db import models

from lastmile.accounts.models import Role, User


class Classroom(models.Model):
    slug = models.SlugField(unique=True)
    title_zh = models.CharField(max_length=120)
    title_en = models.CharField(max_length=120)
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        User, through="Membership", related_name="classrooms"
    )

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def is_taught_by(self, user: User) -> bool:
        return user.is_superuser or self.memberships.filter(user=user, role=Role.INSTRUCTOR).exists()

    def learners(self) -> models.QuerySet[User]:
        chosen = User.objects.filter(memberships__classroom=self, memberships__role=Role.LEARNER)
        return chosen.order_by("last_name", "first_name", "username")


class Membership(models.Model):
    classroom = models.ForeignKey(Classroom, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.LEARNER)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["classroom", "user"], name="one_membership_per_class"),
        ]
