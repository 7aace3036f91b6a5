"""What the environment says of this installation. The only module of the platform that reads os.environ
for settings, so that docs/reference/settings.md and the code can be held side by side by a test.

An empty variable is one that is not set: compose.yaml passes what .env does not name as such.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandboxes.paths import run_dir, state_dir

TRUE = {"1", "true", "yes", "on"}


def flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name)
    return value.strip().lower() in TRUE if value else default


def words(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in (os.environ.get(name) or default).split(",") if part.strip()]


def number(name: str, default: int) -> int:
    return int(os.environ.get(name) or default)


def postgres_socket_dir() -> Path:
    return run_dir() / "postgres"


def redis_socket() -> Path:
    return run_dir() / "redis" / "redis.sock"


def embedded_database_url() -> str:
    return f"postgresql://lastmile@/lastmile?host={postgres_socket_dir()}"


def embedded_redis_url() -> str:
    return f"unix://{redis_socket()}?db=0"


def is_given(name: str) -> bool:
    """Whether the variable is set to something: an empty one is not."""
    return bool(os.environ.get(name))


def database_url() -> str:
    return os.environ.get("DATABASE_URL") or embedded_database_url()


def redis_url() -> str:
    return os.environ.get("REDIS_URL") or embedded_redis_url()


def broker_url() -> str:
    """REDIS_URL in the words of Celery, whose transport calls a Unix socket `redis+socket`."""
    url = redis_url()
    if not url.startswith("unix://"):
        return url
    path, _, query = url.removeprefix("unix://").partition("?")
    database = dict(parse_qsl(query)).get("db", "0")
    return f"redis+socket://{path}?virtual_host={database}"


def database() -> dict[str, Any]:
    """Django's dictionary for DATABASE_URL, a libpq URI. PostgreSQL is the only engine."""
    parts = urlsplit(database_url())
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError(f"DATABASE_URL: {parts.scheme}:// is not PostgreSQL; only postgresql:// is served")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", "") or parts.hostname or ""
    options.setdefault("connect_timeout", "5")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "lastmile",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or options.pop("port", "")),
        "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
    }


def secret_key() -> str:
    """LASTMILE_SECRET_KEY, or one made once for this installation and kept in <state>, mode 0600."""
    given = os.environ.get("LASTMILE_SECRET_KEY")
    if given:
        return given
    path = state_dir() / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip() or _stale(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()


def _stale(path: Path) -> str:
    raise ValueError(f"{path} is empty: remove it, and a new secret key is made at the next start")
