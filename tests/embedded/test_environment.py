"""What environment variables turn into."""

from __future__ import annotations

import stat
import string
from pathlib import Path

import pytest

from lastmile import environment


def test_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://lin:p%40ss@db.example:6432/course?sslmode=require")
    found = environment.database()
    assert (found["NAME"], found["USER"], found["PASSWORD"]) == ("course", "lin", "p@ss")
    assert (found["HOST"], found["PORT"], found["OPTIONS"]["sslmode"]) == ("db.example", "6432", "require")


def test_a_socket_is_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://lin@/course?host=/run/pg")
    assert environment.database()["HOST"] == "/run/pg"


def test_another_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///x.db")
    with pytest.raises(ValueError, match="only postgresql"):
        environment.database()


def test_a_password_that_needs_no_escapes_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """compose.yaml puts POSTGRES_PASSWORD into DATABASE_URL as it is; docs/how-to/run-in-production.md says which."""
    password = string.ascii_letters + string.digits + "-_.~"
    monkeypatch.setenv("DATABASE_URL", f"postgresql://lastmile:{password}@postgres:5432/lastmile")
    found = environment.database()
    assert (found["PASSWORD"], found["HOST"], found["NAME"]) == (password, "postgres", "lastmile")


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTMILE_RUNS_PER_HOUR", "")
    monkeypatch.setenv("LASTMILE_HOSTS", "")
    monkeypatch.setenv("LASTMILE_POOL", "")
    assert environment.number("LASTMILE_RUNS_PER_HOUR", 60) == 60
    assert environment.words("LASTMILE_HOSTS", "localhost") == ["localhost"]
    assert [environment.flag("LASTMILE_POOL", default) for default in (True, False)] == [True, False]


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://cache.example:6379/2", "redis://cache.example:6379/2"),
        ("unix:///run/r.sock?db=3", "redis+socket:///run/r.sock?virtual_host=3"),
        ("unix:///run/r.sock", "redis+socket:///run/r.sock?virtual_host=0"),
    ],
)
def test_celery_gets_its_own_words(monkeypatch: pytest.MonkeyPatch, url: str, broker: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    assert environment.broker_url() == broker


def test_the_secret_key_is_made_once_and_kept_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LASTMILE_SECRET_KEY", raising=False)
    monkeypatch.setenv("LASTMILE_STATE", str(tmp_path / "state"))
    first = environment.secret_key()
    assert len(first) > 50
    assert environment.secret_key() == first
    assert stat.S_IMODE((tmp_path / "state" / "secret_key").stat().st_mode) == 0o600
