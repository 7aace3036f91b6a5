"""Who asks: a bearer token of the command line, or the session of a page."""

from __future__ import annotations

from django.http import HttpRequest

from lastmile.accounts.models import ApiToken, User


def bearer(request: HttpRequest) -> User | None:
    """The active user of `Authorization: Bearer lm_…`, if there is one."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = ApiToken.objects.find(secret.strip())
    if token is None:
        return None
    token.touch()
    return token.user


def reader_of(request: HttpRequest) -> User | None:
    """For safe requests: the token's user or else the session's."""
    if request.headers.get("Authorization", "").lower().startswith("bearer "):
        return bearer(request)
    return request.user if isinstance(request.user, User) else None
