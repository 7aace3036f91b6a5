"""What the scripts of a page are answered: JSON, also where a browser would be sent elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from labs.harness.events import Text
from lastmile.accounts.models import User
from lastmile.http import HttpRequest
from lastmile.problems import Trouble

ANOTHER = Text(
    zh="这个浏览器现在登录的是另一个账号，所以没有处理。换回原来的账号即可继续；文字还在这个页面里。",
    en="Another account is signed in in this browser now, so nothing was done. Sign in to the one before to go on; "
    "your text is still on this page.",
)
View = Callable[..., HttpResponse]
SIGN_IN = Text(
    zh="登录已过期，请重新登录。文字还在这个页面里。",
    en="You are signed out. Sign in again; your text stays on this page.",
)


def answers_json(view: View) -> View:
    """Somebody signed out gets 401 rather than a page, and Trouble becomes its JSON.

    `X-Reader`, where it is sent, is whose page it comes from; another's gets 403.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            if not isinstance(request.user, User):
                raise Trouble("signed_out", SIGN_IN, 401, extra={"url": reverse("sign-in")})
            if request.headers.get("X-Reader", str(request.user.pk)) != str(request.user.pk):
                raise Trouble("another_reader", ANOTHER, 403, extra={"url": reverse("sign-in")})
            return view(request, *args, **kwargs)
        except Trouble as trouble:
            return trouble.response()

    return wrapped
