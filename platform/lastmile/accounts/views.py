from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language

from lastmile.accounts import throttle
from lastmile.accounts.demo import sign_in_hints
from lastmile.accounts.forms import NewPasswordForm, SignInForm, TokenForm, seconds_to_wait
from lastmile.accounts.models import ApiToken, User
from lastmile.http import AuthedRequest, HttpRequest


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    next_page = _safe_next(request)
    form = SignInForm(request, data=request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.get_user()
        assert isinstance(user, User)
        login(request, user)
        response = _remember_language(HttpResponseRedirect(next_page), user.language)
        throttle.remember_device(response, user)
        return response
    context = {"form": form, "next": next_page, "demo": sign_in_hints()}
    return _answer(render(request, "accounts/sign_in.html", context), form)


def _answer(response: HttpResponse, form: forms.Form) -> HttpResponse:
    """429 while the form asks to wait, for programs and for proxies that count."""
    wait = seconds_to_wait(form)
    if wait:
        response.status_code = 429
        response.headers["Retry-After"] = str(wait)
    return response


def _safe_next(request: HttpRequest) -> str:
    """Where to go afterwards, when it is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return resolve_url(settings.LOGIN_REDIRECT_URL)


def _remember_language(response: HttpResponse, language: str) -> HttpResponse:
    if language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            samesite="Lax",
            secure=settings.LANGUAGE_COOKIE_SECURE,
            max_age=settings.LANGUAGE_COOKIE_AGE,
        )
    return response


@sensitive_post_parameters()
@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: AuthedRequest) -> HttpResponse:
    """Change it; the other devices of this person are signed out, this one stays."""
    form = NewPasswordForm(request.user, data=request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, request.user)
        messages.success(request, _("Your password is changed. Other browsers are signed out."))
        return redirect("password")
    return _answer(render(request, "accounts/password.html", {"form": form}), form)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponseRedirect:
    logout(request)
    return HttpResponseRedirect(resolve_url(settings.LOGOUT_REDIRECT_URL))


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Django's set_language, which keeps the cookie; somebody signed in finds it again elsewhere."""
    chosen = request.POST.get("language", "")
    if isinstance(request.user, User) and chosen in dict(settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=chosen)
    return set_language(request)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: AuthedRequest) -> HttpResponse:
    """List, make (POST `name`) and revoke (POST `revoke`=id) the reader's API tokens."""
    secret, form = "", TokenForm()
    if request.method == "POST" and "revoke" in request.POST:
        request.user.tokens.filter(pk=_number(request.POST["revoke"])).delete()
        return redirect("tokens")
    if request.method == "POST":
        form = TokenForm(request.POST)
        if form.is_valid():
            _, secret = ApiToken.objects.issue(request.user, form.cleaned_data["name"])
    rows = [
        {
            "id": token.pk,
            "name": token.name,
            "created": token.created_at,
            "last_used": token.last_used_at,
            "hint": token.hint,
        }
        for token in request.user.tokens.all()
    ]
    context = {"tokens": rows, "new_token": secret, "form": form}
    status = 400 if form.is_bound and not form.is_valid() else 200
    return render(request, "accounts/tokens.html", context, status=status)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0
