"""/runs/<id>/."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from made import a_run, finished, result

from lastmile.accounts.models import User
from lastmile.classroom.models import Classroom, Membership
from lastmile.practice import lifecycle
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


@pytest.mark.usefixtures("servers")
def test_its_learner_withdraws_it(owner: User) -> None:
    live = a_run(owner)
    answer = _as(owner).post(f"{live.get_absolute_url()}withdraw")
    assert (answer.status_code, answer.json()["state"], answer.json()["verdict"]) == (
        200,
        "done",
        "withdrawn",
    )
    page = _as(owner).get(live.get_absolute_url(), headers={"accept-language": "en"}).content.decode()
    assert "This run was withdrawn. It does not count." in page
    assert "data-withdraw" not in page


@pytest.mark.usefixtures("servers")
def test_nobody_else_withdraws_it(owner: User, classmate: User, instructor: User) -> None:
    live = a_run(owner)
    url = f"{live.get_absolute_url()}withdraw"
    assert [_as(user).post(url).status_code for user in (classmate, instructor)] == [404, 404]
    assert (Client().post(url).status_code, _as(owner).get(url).status_code) == (401, 405)
    assert Client(enforce_csrf_checks=True).post(url).status_code == 403
    live.refresh_from_db()
    assert live.state == "queued"


def test_what_the_learner_printed_is_escaped(owner: User, run: Run) -> None:
    page = _as(owner).get(run.get_absolute_url()).content.decode()
    assert "</script><b>hello" not in page


def test_an_instructor_of_the_class_sees_it(instructor: User, run: Run) -> None:
    answer = _as(instructor).get(run.get_absolute_url())
    assert answer.status_code == 200
    assert answer.context["is_owner"] is False


def test_another_instructor_of_the_class_is_no_learner_of_it(
    instructor: User, classroom: Classroom, run: Run
) -> None:
    other = User.objects.create_user("other", role="instructor")
    Membership.objects.create(classroom=classroom, user=other, role="instructor")
    theirs = finished(other)
    assert _as(instructor).get(theirs.get_absolute_url()).status_code == 404
    assert _as(other).get(run.get_absolute_url()).status_code == 200


def test_it_outlives_its_lab(owner: User, run: Run, fake_labs: Path) -> None:
    (fake_labs / "fakes/quick").rename(fake_labs / "fakes/renamed")
    answer = _as(owner).get(run.get_absolute_url())
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "fakes/quick" in page
    assert "func b() {}" in page
    assert 'href=""' not in page


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


def test_the_numbers_are_those_of_the_whole_files() -> None:
    before = "".join(f"{n}\n" for n in range(1, 5001))
    rows = diff(before, before.replace("\n2500\n", "\nhalf\nway\n"))
    assert [(row["kind"], row["old"], row["new"]) for row in rows[3:7]] == [
        ("same", 2499, 2499),
        ("del", 2500, None),
        ("add", None, 2500),
        ("add", None, 2501),
    ]
    assert (rows[7]["old"], rows[7]["new"]) == (2501, 2502)
    assert [row["kind"] for row in diff("a\nb\na\nb\n", "a\nb\n")] == ["same", "same", "del", "del"]


@given(
    st.lists(st.sampled_from(["a", "b", "c", "//"]), max_size=30),
    st.lists(st.sampled_from(["a", "b", "//"]), max_size=30),
)
def test_it_leads_from_one_text_to_the_other(before: list[str], after: list[str]) -> None:
    rows = diff("\n".join(before), "\n".join(after))
    shown = {(row["old"], row["text"]) for row in rows if row["kind"] in ("same", "del")}
    assert shown <= set(enumerate(before, 1))
    removed = {row["old"] for row in rows if row["kind"] == "del"}
    added = {row["new"]: row["text"] for row in rows if row["kind"] == "add"}
    kept = iter(line for n, line in enumerate(before, 1) if n not in removed)
    total = len(before) - len(removed) + len(added)
    assert [added[n] if n in added else next(kept) for n in range(1, total + 1)] == after


def test_what_would_take_too_long_to_compare_is_said(owner: User) -> None:
    finished(owner, "fail", text="package main\n" + "//\n" * 6000 + "func main() {}\n")
    run = finished(owner, "fail", text="package main\n" + "/*\n" * 6000 + "func main() { }\n")
    begun = time.process_time()
    page = _as(owner).get(run.get_absolute_url()).content.decode()
    assert time.process_time() - begun < 5
    assert "改动太多，不再逐行比较。" in page


@pytest.mark.parametrize(
    ("before", "after"),
    [("//\n" * 600, "/*\n//\n" * 300), ("a\nb\n" * 300, "a\nc\n" * 300), ("a\n" * 600, "b\n" * 600)],
)
def test_the_worst_that_is_compared_takes_seconds(before: str, after: str) -> None:
    begun = time.process_time()
    assert diff(before + "x", "y\n" + after)
    assert time.process_time() - begun < 6


PLACE = {
    "tool": "verifier",
    "file": "bpf/a.bpf.c",
    "line": 3,
    "column": 0,
    "message": "R0 invalid mem access",
}
SENTENCE = {"text": {"zh": "可能为空", "en": "may be null"}, "why": {"zh": "先检查", "en": "check it"}}
LOG = {"lines": ["0: (b7) r1 = 1", "</script><b>hostile"], "refused": 0, "said": 1, "left_out": 0}
ON_KERNELS = [
    {"type": "diagnostic", "kernel": kernel, **PLACE, **SENTENCE, "log": LOG} for kernel in ("6.1", "6.12")
] + [
    {"type": "check", "check": "first", "status": "running"},
    {"type": "check", "check": "first", "status": "failed", "kernels": {"6.1": "failed", "6.12": "passed"}},
    {"type": "log", "stream": "operator", "text": "hello", "kernel": "6.12"},
    {"type": "cost", "kernel": "6.1", "connections": 1, "yours": {}, "reference": None, "most": 0},
]


def test_a_run_on_kernels_shows_each(owner: User) -> None:
    run = a_run(owner)
    claim = lifecycle.claim(run.pk, run.attempt, "a worker")
    assert claim is not None
    log = [{"seq": n, "at": 0.1 * n, **event} for n, event in enumerate(ON_KERNELS, 1)]
    lifecycle.finish(claim, result("fail", "first"), log)
    answer = _as(owner).get(run.get_absolute_url(), headers={"accept-language": "en"})
    shown, page = answer.context, answer.content.decode()
    assert [check["kernels"] for check in shown["checks"]] == [{"6.1": "failed", "6.12": "passed"}, {}]
    assert page.count("data-kernel=") == 2
    assert [row["sentence"] for row in shown["diagnostics"]] == ["may be null"], "one place, one row"
    assert [event["kernel"] for event in shown["all_diagnostics"]] == ["6.1", "6.12"]
    assert [event["type"] for event in shown["measures"]] == ["cost"]
    assert [(row["stream"], row["kernel"]) for row in shown["log"]] == [("operator", "6.12")]
    assert "<b>hostile" not in page
