"""Request types for views."""

from __future__ import annotations

from django.http import HttpRequest as PlainRequest
from django_htmx.middleware import HtmxDetails

from lastmile.accounts.models import User


class HttpRequest(PlainRequest):
    htmx: HtmxDetails


class AuthedRequest(HttpRequest):
    """What a view below @login_required is given."""

    user: User
