"""POST /labs/<…>/submit."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from made import finished
from pytest_django import Settings

from lastmile.accounts.models import User
from lastmile.practice import outbox
from lastmile.practice.models import Run, SubmissionFile

pytestmark = pytest.mark.usefixtures("fake_labs", "servers")
URL = "/labs/fakes/quick/submit"


@pytest.fixture
def client(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def _submit(client: Client, files: Any, key: str = "") -> Any:
    headers = {"idempotency-key": key} if key else {}
    return client.post(URL, {"files": files}, content_type="application/json", headers=headers)


def _zip(files: dict[str, bytes]) -> SimpleUploadedFile:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return SimpleUploadedFile("work.zip", out.getvalue())


def test_it_works(client: Client, owner: User) -> None:
    answer = _submit(client, {"main.go": "package main\n"})
    assert answer.status_code == 201
    run = Run.objects.get(pk=answer.json()["id"])
    assert (run.user, run.state, run.queue) == (owner, "queued", "build")
    assert run.submission.contents() == {"main.go": b"package main\n"}
    assert answer.json()["events_url"] == f"/runs/{run.pk}/events"


def test_the_task_is_sent_after_the_commit(
    client: Client, django_capture_on_commit_callbacks: Any, settings: Settings
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = _submit(client, {"main.go": "package main\n"})
        assert Run.objects.get().published_at is None
    assert Run.objects.get(pk=answer.json()["id"]).published_at is not None
    assert outbox.publish_waiting() == 0


def test_the_same_key_answers_with_the_same_run(client: Client) -> None:
    first = _submit(client, {"main.go": "package main\n"}, "k1")
    second = _submit(client, {"main.go": "package main\n"}, "k1")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_the_same_key_for_other_files_is_refused(client: Client) -> None:
    _submit(client, {"main.go": "package main\n"}, "k1")
    answer = _submit(client, {"main.go": "package other\n"}, "k1")
    assert (answer.status_code, answer.json()["code"]) == (409, "key_reused")


def test_keys_of_two_learners_do_not_meet(client: Client, classmate: User) -> None:
    _submit(client, {"main.go": "package main\n"}, "k1")
    other = Client()
    other.force_login(classmate)
    assert _submit(other, {"main.go": "package main\n"}, "k1").status_code == 201


def test_one_live_run_for_a_lab(client: Client) -> None:
    run = _submit(client, {"main.go": "package main\n"}).json()["id"]
    answer = _submit(client, {"main.go": "package main\n"})
    assert (answer.status_code, answer.json()["code"], answer.json()["run"]) == (429, "run_going_on", run)


def test_so_many_runs_in_an_hour(client: Client, owner: User, settings: Settings) -> None:
    settings.RUNS_PER_HOUR = 2
    finished(owner)
    finished(owner)
    answer = _submit(client, {"main.go": "package main\n"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_runs")
    assert answer.headers["Retry-After"] == "300"


def test_a_zip_is_taken(client: Client) -> None:
    files = _zip({"work/main.go": b"package main\n", "work/go.mod": b"module fake\n"})
    answer = client.post(URL, {"archive": files}, headers={"accept": "application/json"})
    assert answer.status_code == 201, answer.content
    assert list(SubmissionFile.objects.values_list("path", flat=True)) == ["main.go"]
    assert Run.objects.get().submission.source == "upload"


def test_a_form_without_scripts_is_led_to_the_run(client: Client) -> None:
    answer = client.post(
        URL, {"archive": _zip({"main.go": b"package main\n"})}, headers={"accept": "text/html"}
    )
    assert answer.status_code == 302
    assert answer.headers["Location"] == Run.objects.get().get_absolute_url()


def test_an_archive_with_a_link_is_refused(client: Client) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        link = tarfile.TarInfo("main.go")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
    upload = SimpleUploadedFile("x.tar", out.getvalue())
    answer = client.post(URL, {"archive": upload}, headers={"accept": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_submission"


def _tar(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        member = tarfile.TarInfo(name)
        member.type, member.size = kind, len(content)
        member.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
        packed.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _bomb() -> bytes:
    return gzip.compress(_tar("main.go", content=bytes(64 << 20)), 1)


def _many() -> bytes:
    upload = _zip({f"f{number}.go": b"" for number in range(10_000)})
    content: bytes = upload.read()
    return content


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(lambda: _tar("main.go", tarfile.SYMTYPE), id="symbolic link"),
        pytest.param(lambda: _tar("main.go", tarfile.LNKTYPE), id="hard link"),
        pytest.param(lambda: _tar("main.go", tarfile.CHRTYPE), id="character device"),
        pytest.param(lambda: _tar("main.go", tarfile.BLKTYPE), id="block device"),
        pytest.param(lambda: _tar("main.go", tarfile.FIFOTYPE), id="fifo"),
        pytest.param(lambda: _tar("../main.go"), id="parent folder"),
        pytest.param(lambda: _tar("/main.go"), id="absolute"),
        pytest.param(lambda: _tar("x" * 4096 + ".go"), id="name of 4 kB"),
        pytest.param(lambda: _tar("a\u202eog.go"), id="bidirectional name"),
        pytest.param(_bomb, id="bomb"),
        pytest.param(_many, id="ten thousand files"),
        pytest.param(lambda: _tar("folder", tarfile.DIRTYPE), id="empty"),
        pytest.param(lambda: b"", id="no byte"),
    ],
)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_hostile_upload_is_refused_in_the_learner_s_language(
    client: Client, archive: Callable[[], bytes], language: str
) -> None:
    upload = SimpleUploadedFile("work.tar", archive())
    heads = {"accept": "application/json", "accept-language": language}
    answer = client.post(URL, {"archive": upload}, headers=heads)
    assert answer.status_code == 400, answer.content
    problem = answer.json()
    assert len(answer.content) < 20_000
    assert problem["zh"]
    assert problem["en"]
    assert all(row["zh"] != row["en"] for row in problem.get("problems", []))
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"../main.go": ""},
        {"go.mod": "module x"},
        {"vendor/a.go": "package a"},
        {"main.go": "\x00"},
        {"a\u202e.go": ""},
    ],
)
def test_bad_files_are_refused_with_a_reason(client: Client, files: dict[str, str]) -> None:
    answer = _submit(client, files)
    assert answer.status_code == 400, answer.content
    problem = answer.json()
    assert problem["problems"]
    assert all(row["zh"] and row["en"] for row in problem["problems"])
    assert not Run.objects.exists()


def test_too_big_an_upload_is_refused(client: Client) -> None:
    big = SimpleUploadedFile("big.zip", b"x" * (5 << 20))
    answer = client.post(URL, {"archive": big}, headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_big")


def test_nothing_uploaded_is_said(client: Client) -> None:
    assert client.post(URL, {}, headers={"accept": "application/json"}).json()["code"] == "no_archive"


def test_it_answers_401_once_signed_out() -> None:
    assert _submit(Client(), {"main.go": ""}).status_code == 401


def test_it_wants_a_csrf_token(owner: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert _submit(strict, {"main.go": "package main\n"}).status_code == 403
