"""People and the tokens that speak for them."""

from __future__ import annotations

import hashlib
import secrets

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

TOKEN_PREFIX = "lm_"


class Role(models.TextChoices):
    LEARNER = "learner", _("Learner")
    INSTRUCTOR = "instructor", _("Instructor")


class User(AbstractUser):
    """Somebody who signs in. `language` is empty until they choose one; their browser's is used till then."""

    role = models.CharField(max_length=12, choices=Role.choices, default=Role.LEARNER)
    language = models.CharField(max_length=10, blank=True, default="")

    @property
    def name(self) -> str:
        """What pages call this person."""
        return self.get_full_name() or self.username

    @property
    def is_instructor(self) -> bool:
        return self.role == Role.INSTRUCTOR


class ApiTokenManager(models.Manager["ApiToken"]):
    def issue(self, user: User, name: str) -> tuple[ApiToken, str]:
        """A new token and its secret. The secret is never stored; this is the only time it can be shown."""
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = self.create(user=user, name=name, digest=_digest(secret), hint=secret[-4:])
        return token, secret

    def find(self, secret: str) -> ApiToken | None:
        """The token of an active user that has this secret."""
        if not secret.startswith(TOKEN_PREFIX):
            return None
        wanted = self.filter(digest=_digest(secret), user__is_active=True).select_related("user")
        return wanted.first()


class ApiToken(models.Model):
    """Lets the command line act as its user. 256 random bits, so one round of SHA-256 keeps it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = ApiTokenManager()

    class Meta:
        ordering = ["-created_at"]

    def touch(self) -> None:
        """Note that it was used, at most once a minute."""
        now = timezone.now()
        if self.last_used_at is None or (now - self.last_used_at).total_seconds() > 60:
            ApiToken.objects.filter(pk=self.pk).update(last_used_at=now)


class Guesses(models.Model):
    """How many wrong passwords there were lately, by who and from where; the rules are in throttle.py."""

    key = models.CharField(max_length=64, primary_key=True)
    full_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "accounts_guesses"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
