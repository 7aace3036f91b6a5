from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError
from django.utils.translation import ngettext

from lastmile.accounts import throttle


class TokenForm(forms.Form):
    name = forms.CharField(max_length=60, strip=True)


def _paid(pay: Callable[[], throttle.Attempt]) -> throttle.Attempt:
    """Pay for an attempt, or say in the form how long to wait."""
    try:
        return pay()
    except throttle.TooMany as many:
        words = ngettext(
            "Too many wrong passwords. Try again in %(n)s second.",
            "Too many wrong passwords. Try again in %(n)s seconds.",
            many.seconds,
        )
        raise ValidationError(words, code="wait", params={"n": many.seconds}) from many


def seconds_to_wait(form: forms.Form) -> int:
    """What a form with the error `wait` asks for, else 0."""
    errors = [error for name in form.errors for error in form.errors[name].as_data()]
    return next((int((error.params or {})["n"]) for error in errors if error.code == "wait"), 0)


class SignInForm(AuthenticationForm):
    """Looks at the password only when there is an attempt left."""

    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        request, username = self.request, self.cleaned_data.get("username", "")
        attempt = _paid(lambda: throttle.sign_in(request, username))
        cleaned: dict[str, Any] = super().clean()
        attempt.was_right()
        return cleaned


class NewPasswordForm(PasswordChangeForm):
    def clean_old_password(self) -> str:
        attempt = _paid(lambda: throttle.change(self.user))
        given: str = super().clean_old_password()
        attempt.was_right()
        return given
