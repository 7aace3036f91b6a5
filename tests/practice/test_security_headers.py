"""Headers on pages that show what strangers wrote."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
def test_it_works(client: Client) -> None:
    headers = client.get("/accounts/sign-in/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.django_db
def test_an_error_has_them_too(client: Client) -> None:
    assert "Content-Security-Policy" in client.get("/nothing/").headers
