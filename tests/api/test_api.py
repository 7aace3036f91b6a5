"""HTTP API v1: tokens, errors in both languages, others' runs."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from lastmile.accounts.models import ApiToken, User
from lastmile.practice.models import Run

sys.path.append(str(Path(__file__).parents[1] / "practice" / "fakes"))

import labs_of_one_trait
from made import finished

pytestmark = pytest.mark.usefixtures("fake_labs", "servers")
BODY = {"lab": "fakes/quick", "files": {"main.go": "package main\n"}}


@pytest.fixture
def fake_labs(tmp_path: Path, settings: Settings) -> None:
    settings.LABS = labs_of_one_trait.write(tmp_path / "labs")


def _with_token(user: User) -> Client:
    _, secret = ApiToken.objects.issue(user, "test")
    return Client(headers={"authorization": f"Bearer {secret}"}, enforce_csrf_checks=True)


def _submit(client: Client, body: Any = BODY, key: str = "") -> Any:
    headers = {"idempotency-key": key} if key else {}
    return client.post("/api/v1/submissions", body, content_type="application/json", headers=headers)


def test_it_works(owner: User) -> None:
    client = _with_token(owner)
    labs = client.get("/api/v1/labs").json()["labs"]
    assert "fakes/quick" in [lab["slug"] for lab in labs]
    answer = _submit(client, key="k")
    assert answer.status_code == 201
    assert _submit(client, key="k").json()["id"] == answer.json()["id"]
    run = client.get(answer.json()["api_url"]).json()
    assert (run["state"], run["verdict"], run["position"]) == ("queued", None, 0)
    assert Run.objects.get().submission.source == "api"


def test_a_finished_run_has_its_checks(owner: User) -> None:
    run = finished(owner, "fail")
    shown = _with_token(owner).get(f"/api/v1/runs/{run.pk}").json()
    assert [(check["id"], check["status"]) for check in shown["checks"]] == [
        ("first", "passed"),
        ("second", "failed"),
    ]
    assert shown["checks"][1]["failure"]["hint"] == {"zh": "hint 中", "en": "hint en"}
    assert shown["reason"] == {"zh": "说明", "en": "reason"}


def test_an_archive_is_taken(owner: User) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("main.go", "package main\n")
    data = {"lab": "fakes/quick", "archive": SimpleUploadedFile("x.zip", out.getvalue())}
    assert _with_token(owner).post("/api/v1/submissions", data).status_code == 201


def test_bytes_that_are_no_text_are_refused_with_a_reason(owner: User) -> None:
    answer = _submit(
        _with_token(owner), b'{"lab": "fakes/quick", "files": {"main.go": "package main // \\udcff"}}'
    )
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["file"] == "main.go"


@pytest.mark.parametrize(
    "body", [{}, {"lab": 1}, {"lab": "fakes/none"}, {"lab": "../../etc"}, {"lab": "fakes/quick"}]
)
def test_errors_are_in_both_languages(owner: User, body: Any) -> None:
    answer = _submit(_with_token(owner), body)
    assert answer.status_code in (400, 404)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["zh"]
    assert answer.json()["en"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer lm_wrong", "Basic bG06bG0=", "Bearer " + "x" * 5000]
)
def test_it_refuses_a_stranger(header: str) -> None:
    client = Client(headers={"authorization": header} if header else {})
    for answer in (client.get("/api/v1/labs"), _submit(client)):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_is_not_enough(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert _submit(client).status_code == 401


def test_a_classmate_gets_404(owner: User, classmate: User) -> None:
    run = finished(owner)
    client = _with_token(classmate)
    assert client.get(f"/api/v1/runs/{run.pk}").status_code == 404
    assert client.get(f"/api/v1/runs/{run.pk}/events").status_code == 404


def test_an_instructor_may_read_but_not_a_stranger(owner: User, instructor: User, stranger: User) -> None:
    run = finished(owner)
    assert _with_token(instructor).get(f"/api/v1/runs/{run.pk}").status_code == 200
    assert _with_token(stranger).get(f"/api/v1/runs/{run.pk}").status_code == 404
