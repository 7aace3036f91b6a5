"""/runs/<id>/."""

from __future__ import annotations

import io
import zipfile
from uuid import uuid4

import pytest
from django.test import Client
from made import finished

from lastmile.accounts.models import User
from lastmile.practice.models import Run
from lastmile.practice.pages import diff

pytestmark = pytest.mark.usefixtures("fake_labs")


@pytest.fixture
def run(owner: User) -> Run:
    finished(owner, "fail", text="package main\n\nfunc a() {}\n")
    return finished(owner, "fail", text="package main\n\nfunc b() {}\n")


def _as(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_it_works(owner: User, run: Run) -> None:
    answer = _as(owner).get(run.get_absolute_url(), headers={"accept-language": "en"})
    assert answer.status_code == 200
    shown = answer.context
    assert (shown["run"]["number"], shown["run"]["verdict"], shown["is_owner"]) == (2, "fail", True)
    assert [check["title"] for check in shown["checks"]] == ["The first", "The second"]
    assert shown["checks"][1]["failure"]["hint"] == "hint en"
    (file,) = shown["files"]
    assert [(row["kind"], row["text"]) for row in file["diff"] if row["kind"] in ("add", "del")] == [
        ("del", "func a() {}"),
        ("add", "func b() {}"),
    ]
    assert shown["timeline"][0]["source"] == "audit"


def test_what_the_learner_printed_is_escaped(owner: User, run: Run) -> None:
    page = _as(owner).get(run.get_absolute_url()).content.decode()
    assert "</script><b>hello" not in page


def test_an_instructor_of_the_class_sees_it(instructor: User, run: Run) -> None:
    answer = _as(instructor).get(run.get_absolute_url())
    assert answer.status_code == 200
    assert answer.context["is_owner"] is False


def test_it_is_404_for_a_classmate(classmate: User, run: Run) -> None:
    assert _as(classmate).get(run.get_absolute_url()).status_code == 404
    assert _as(classmate).get(f"{run.get_absolute_url()}archive").status_code == 404
    assert _as(classmate).get(f"{run.get_absolute_url()}events").status_code == 404


def test_it_is_404_for_an_instructor_of_another_class(stranger: User, run: Run) -> None:
    assert _as(stranger).get(run.get_absolute_url()).status_code == 404


def test_it_is_404_when_there_is_none(owner: User) -> None:
    assert _as(owner).get(f"/runs/{uuid4()}/").status_code == 404


def test_the_archive_holds_the_files(owner: User, run: Run) -> None:
    answer = _as(owner).get(f"{run.get_absolute_url()}archive")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.read("main.go") == b"package main\n\nfunc b() {}\n"


def test_a_new_file_is_all_additions() -> None:
    assert [row["kind"] for row in diff(None, "a\nb")] == ["add", "add"]


def test_a_diff_leaves_out_what_is_far_from_a_change() -> None:
    before = "\n".join(str(n) for n in range(100))
    rows = diff(before, before.replace("50", "fifty"))
    assert [row["kind"] for row in rows] == ["skip", *["same"] * 3, "del", "add", *["same"] * 3]
