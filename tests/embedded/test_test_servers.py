"""The servers of the test session itself: real, and no others' than ours."""

from __future__ import annotations

import os

import pytest
import redis
from django.conf import settings
from django.db import connection


@pytest.mark.django_db
def test_it_works() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('unix_socket_directories')")
        name, sockets = cursor.fetchone()
    assert name == "test_lastmile"
    if "DATABASE_URL" not in os.environ:
        assert sockets.startswith(os.environ["LASTMILE_RUN"])


def test_redis_answers(servers: None) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.ping()
