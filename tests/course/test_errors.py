"""Requests that cannot be read."""

from __future__ import annotations

import pytest
from django.test import Client

from lastmile.accounts.models import ApiToken, User

BROKEN = {"data": b"--x\r\n", "content_type": "multipart/form-data; boundary="}


@pytest.fixture
def client(owner: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(owner)
    return client


def test_a_person_is_told_in_both_languages(client: Client) -> None:
    answer = client.post("/accounts/password/", **BROKEN)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "没有处理" in page
    assert "nothing was done" in page


def test_a_program_gets_json(client: Client, owner: User) -> None:
    _, secret = ApiToken.objects.issue(owner, "test")
    for path, headers in (
        ("/api/v1/submissions", {"authorization": f"Bearer {secret}"}),
        ("/labs/operators/database/submit", {"accept": "application/json"}),
    ):
        answer = client.post(path, headers=headers, **BROKEN)
        assert (answer.status_code, answer.json()["code"]) == (400, "unreadable")
        assert answer.json()["zh"]
        assert answer.json()["en"]


def test_a_host_that_is_not_served_is_no_crash(client: Client) -> None:
    answer = client.get("/", headers={"host": "elsewhere.example"})
    assert answer.status_code == 400
    assert "nothing was done" in answer.content.decode()
