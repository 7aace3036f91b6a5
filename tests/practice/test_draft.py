"""PUT /labs/<…>/draft."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from lastmile.accounts.models import User
from lastmile.practice.models import Draft

pytestmark = pytest.mark.usefixtures("fake_labs")
URL = "/labs/fakes/quick/draft"


@pytest.fixture
def client(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def _put(client: Client, files: Any, version: int = 0) -> Any:
    return client.put(URL, {"files": files, "version": version}, content_type="application/json")


def test_it_works(client: Client) -> None:
    assert _put(client, {"main.go": "package main"}).json()["version"] == 1
    assert _put(client, {"main.go": "package main // 2"}, 1).json()["version"] == 2
    page = client.get("/labs/fakes/quick/")
    assert page.context["page_data"]["files"][0]["text"] == "package main // 2"
    assert page.context["page_data"]["files"][0]["starter"].endswith("func main() {}\n")


def test_an_older_tab_is_told_of_the_newer_draft(client: Client) -> None:
    _put(client, {"main.go": "first tab"})
    answer = _put(client, {"main.go": "second tab"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "newer_draft"
    assert answer.json()["files"] == {"main.go": "first tab"}
    assert Draft.objects.get().files == {"main.go": "first tab"}


def test_another_account_in_the_same_browser_does_not_get_it(
    client: Client, owner: User, classmate: User
) -> None:
    body = {"files": {"main.go": "the classmate's"}, "version": 0}
    for reader, status in ((classmate, 403), (owner, 200)):
        answer = client.put(
            URL,
            body,
            content_type="application/json",
            headers={"x-reader": str(reader.pk), "accept-language": "en"},
        )
        assert answer.status_code == status
        assert Draft.objects.exists() == (reader == owner)
        if status == 403:
            assert answer.json()["code"] == "another_reader"
            assert "Another account" in answer.json()["en"]
            assert "另一个账号" in answer.json()["zh"]


def test_a_save_whose_answer_was_lost_may_be_repeated(client: Client) -> None:
    _put(client, {"main.go": "one"})
    assert _put(client, {"main.go": "two"}, 1).json()["version"] == 2
    assert _put(client, {"main.go": "two"}, 1).json()["version"] == 2


@pytest.mark.parametrize("path", ["../x.go", "/etc/passwd", "go.mod", "a/\u202eb.go", "notes.txt"])
def test_a_path_that_the_lab_does_not_take_is_refused(client: Client, path: str) -> None:
    answer = _put(client, {path: "x"})
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["file"]
    assert not Draft.objects.exists()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"files": []}', b'{"files": {"a.go": 1}}', b"[" * 100_000])
def test_what_is_no_draft_is_refused(client: Client, body: bytes) -> None:
    answer = client.put(URL, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_nul_and_lone_surrogates_are_refused(client: Client) -> None:
    for text in (r"\u0000", r"\ud800"):
        answer = client.put(
            URL, f'{{"files": {{"main.go": "{text}"}}}}'.encode(), content_type="application/json"
        )
        assert answer.status_code == 400


def test_too_much_is_refused(client: Client) -> None:
    assert _put(client, {"main.go": "x" * 1_100_000}).status_code == 400
    assert _put(client, {"main.go": "x" * 5_000_000}).status_code == 413


def test_it_answers_401_once_signed_out() -> None:
    answer = _put(Client(), {"main.go": ""})
    assert answer.status_code == 401
    assert answer.json()["code"] == "signed_out"


def test_a_classmate_has_a_draft_of_their_own(client: Client, classmate: User) -> None:
    _put(client, {"main.go": "mine"})
    other = Client()
    other.force_login(classmate)
    assert _put(other, {"main.go": "theirs"}).json()["version"] == 1
    assert Draft.objects.count() == 2
