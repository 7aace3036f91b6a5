"""How fast passwords may be guessed (docs/adr/0008-sign-in-throttle.md).

Counted in PostgreSQL, which every web process shares. An attempt is paid for before its password is looked
at, so attempts made at the same time cannot slip through, and is given back when the password was right.
"""

from __future__ import annotations

import ipaddress
import math
import secrets
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from lastmile.accounts.models import User

DEVICE = "lastmile_device"
YEAR = 31_536_000
_SIGNER = signing.Signer(salt="lastmile.accounts.device")


@dataclass(frozen=True)
class Limit:
    """`burst` failures at once; after them one more every `seconds`, which is also the longest wait."""

    kind: str
    burst: int
    seconds: float


# Somebody who forgot which password it was; a whole school behind one address; many machines and one account.
PAIR = Limit("account and address", 5, 60.0)
ADDRESS = Limit("address", 60, 5.0)
ACCOUNT = Limit("account", 30, 20.0)
# A browser that this account has signed in from before: what others do cannot lock it out.
KNOWN = Limit("account and device", 5, 60.0)
CHANGE = Limit("change of password", 5, 60.0)

# The generic cell rate algorithm: `full_at` is when all is forgotten; each attempt moves it by `seconds`.
_SPEND = """
INSERT INTO accounts_guesses AS kept (key, full_at) VALUES (%(key)s, now() + %(step)s::interval)
ON CONFLICT (key) DO UPDATE SET full_at = greatest(kept.full_at, now()) + %(step)s::interval
WHERE kept.full_at <= now() + %(room)s::interval
"""
_WAIT = "SELECT extract(epoch FROM full_at - now() - %(room)s::interval) FROM accounts_guesses WHERE key = %(key)s"
_GIVE_BACK = "UPDATE accounts_guesses SET full_at = full_at - %(step)s::interval WHERE key = %(key)s"


class TooMany(Exception):
    """`seconds`, a whole number of at least 1, is when the next attempt may be made."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Attempt:
    """An attempt that was paid for."""

    counted: tuple[tuple[Limit, str], ...]

    def was_right(self) -> None:
        with connection.cursor() as cursor:
            for limit, key in self.counted:
                cursor.execute(_GIVE_BACK, _values(limit, key))


def sign_in(request: HttpRequest, username: str) -> Attempt:
    """Pay for one attempt at the account's password. Raises TooMany; then the password must not be looked at."""
    name = User.normalize_username(username).casefold()
    device = _device(request, name)
    if device:
        return _pay((KNOWN, device))
    address = network(request.META.get("REMOTE_ADDR", ""))
    return _pay((PAIR, f"{name} {address}"), (ADDRESS, address), (ACCOUNT, name))


def change(user: User) -> Attempt:
    """The same for somebody signed in who has to give the password that they have."""
    return _pay((CHANGE, str(user.pk)))


def remember_device(response: HttpResponse, user: User) -> None:
    """Let the browser that has just signed in be told from those of strangers."""
    name = user.username.casefold()
    value = _SIGNER.sign(f"{secrets.token_hex(8)} {name}")
    response.set_cookie(
        DEVICE,
        value.encode().hex(),
        max_age=YEAR,
        path="/accounts/",
        httponly=True,
        samesite="Lax",
        secure=settings.HTTPS,
    )


def network(address: str) -> str:
    """What one subscriber has: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "nowhere"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def forget_old() -> int:
    """Remove what no longer says anything; the sweeper does it. Gives the number of rows."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_guesses WHERE full_at < now()")
        return int(cursor.rowcount)


def _device(request: HttpRequest, name: str) -> str:
    """The device's own number, when it has signed in to this very account before."""
    try:
        said = _SIGNER.unsign(bytes.fromhex(request.COOKIES.get(DEVICE, "")).decode())
    except (signing.BadSignature, ValueError):
        return ""
    return said if said.partition(" ")[2] == name else ""


def _pay(*counted: tuple[Limit, str]) -> Attempt:
    """For all of them or for none; always in the same order, so that two never wait for each other."""
    kept = tuple((limit, _key(limit, what)) for limit, what in counted)
    with transaction.atomic(), connection.cursor() as cursor:
        for limit, key in kept:
            cursor.execute(_SPEND, _values(limit, key))
            if not cursor.rowcount:
                cursor.execute(_WAIT, _values(limit, key))
                row = cursor.fetchone()
                raise TooMany(max(1, math.ceil(row[0] if row else limit.seconds)))
    return Attempt(kept)


def _key(limit: Limit, what: str) -> str:
    """Not the words themselves: people type passwords into the wrong field."""
    return salted_hmac("lastmile.accounts.throttle", f"{limit.kind}: {what}", algorithm="sha256").hexdigest()


def _values(limit: Limit, key: str) -> dict[str, str]:
    step = f"{limit.seconds} seconds"
    return {"key": key, "step": step, "room": f"{limit.seconds * (limit.burst - 1)} seconds"}
