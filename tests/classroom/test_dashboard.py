"""/class/<slug>/: learners and labs, who is stuck, where the content loses people."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from lastmile.accounts.models import Role, User
from lastmile.classroom.models import Classroom, Membership
from lastmile.course.models import ReadingPosition
from lastmile.practice import lifecycle, presence
from lastmile.practice.models import Draft, Run

sys.path.append(str(Path(__file__).parents[1] / "practice" / "fakes"))

import labs_of_one_trait
from made import a_run, finished

pytestmark = pytest.mark.usefixtures("fake_labs", "servers")
URL = "/class/hangzhou/"


@pytest.fixture
def fake_labs(tmp_path: Path, settings: Settings) -> None:
    settings.LABS = labs_of_one_trait.write(tmp_path / "labs")


def _see(instructor: User, query: str = "") -> Any:
    client = Client(headers={"accept-language": "en"})
    client.force_login(instructor)
    answer = client.get(URL + query)
    assert answer.status_code == 200
    return answer.context


def _cell(context: Any, learner: str, lab: str = "fakes/quick") -> dict[str, Any]:
    column = [row["slug"] for row in context["labs"]].index(lab)
    found: dict[str, Any] = next(row for row in context["rows"] if row["learner"] == learner)["cells"][column]
    return found


def test_it_works(instructor: User, owner: User, classmate: User) -> None:
    finished(owner, "fail")
    finished(owner, "pass")
    live = a_run(classmate)
    context = _see(instructor)
    assert [row["learner"] for row in context["rows"]] == ["Classmate", "Owner"]
    assert (_cell(context, "Owner")["state"], _cell(context, "Owner")["attempts"]) == ("passed", 2)
    assert _cell(context, "Classmate")["state"] == "queued"
    assert [row["id"] for row in context["live"]] == [str(live.pk)]
    assert (context["capacity"]["queued"], context["capacity"]["pool"]) == (1, False)


def test_it_names_queues_that_no_worker_serves(
    instructor: User, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(owner)
    monkeypatch.setattr(presence, "unserved", lambda queues: list(queues))
    page = Client()
    page.force_login(instructor)
    assert (
        f"no worker serves {run.queue}" in page.get(URL, headers={"Accept-Language": "en"}).content.decode()
    )
    assert (
        f"没有评测程序处理 {run.queue}" in page.get(URL, headers={"Accept-Language": "zh"}).content.decode()
    )


def test_who_fails_the_same_check_three_times_is_stuck(instructor: User, owner: User) -> None:
    for _ in range(2):
        finished(owner, "fail")
    assert _see(instructor)["stuck"] == []
    last = finished(owner, "fail")
    (stuck,) = _see(instructor)["stuck"]
    assert (stuck["learner"], stuck["check"], stuck["attempts"]) == ("Owner", "The second", 3)
    assert stuck["url"] == last.get_absolute_url()


def test_what_was_our_fault_counts_for_nothing(instructor: User, owner: User) -> None:
    finished(owner, "fail")
    run = finished(owner, "fail")
    Run.objects.filter(pk=run.pk).update(verdict="internal", passed=2)
    cell = _cell(_see(instructor), "Owner")
    assert (cell["passed"], cell["attempts"]) == (1, 1)


def test_a_run_that_was_withdrawn_is_as_if_it_had_not_been(instructor: User, owner: User) -> None:
    lifecycle.withdraw(a_run(owner).pk)
    assert (_cell(_see(instructor), "Owner")["state"], _cell(_see(instructor), "Owner")["attempts"]) == (
        "none",
        0,
    )
    finished(owner, "fail")
    lifecycle.withdraw(a_run(owner).pk)
    assert (_cell(_see(instructor), "Owner")["state"], _cell(_see(instructor), "Owner")["attempts"]) == (
        "failed",
        1,
    )


def test_another_check_or_a_pass_is_progress(instructor: User, owner: User, classmate: User) -> None:
    for failed in ("first", "first", "second"):
        finished(owner, "fail", failed=failed)
    for verdict in ("fail", "fail", "fail", "pass"):
        finished(classmate, verdict)
    assert _see(instructor)["stuck"] == []


def test_the_checks_say_where_people_are_lost(instructor: User, owner: User, classmate: User) -> None:
    finished(owner, "fail")
    finished(classmate, "pass")
    context = _see(instructor, "?view=checks")
    lab = next(row for row in context["by_check"] if row["slug"] == "fakes/quick")
    counts = {row["id"]: (row["tried"], row["passed"], row["failed"]) for row in lab["checks"]}
    assert counts == {"first": (2, 2, 0), "second": (2, 1, 1)}


def test_htmx_gets_the_table_alone(instructor: User, owner: User) -> None:
    client = Client()
    client.force_login(instructor)
    part = client.get(URL, headers={"hx-request": "true"}).content.decode()
    assert "<html" not in part
    assert "Owner" in part


def test_who_writes_or_reads_has_been_seen(instructor: User, owner: User, classmate: User) -> None:
    day, now = timedelta(days=1), timezone.now()
    User.objects.filter(pk__in=(owner.pk, classmate.pk)).update(last_login=now - 3 * day)
    Draft.objects.create(user=owner, lab="fakes/quick", saved_at=now - day)
    for chapter, at in (("one", now - 2 * day), ("two", now)):
        ReadingPosition.objects.create(user=classmate, chapter=chapter, at=at)
    seen = {row["learner"]: row["last_seen"] for row in _see(instructor)["rows"]}
    assert seen == {"Owner": now - day, "Classmate": now}


def test_a_stream_says_who_is_signed_out(instructor: User) -> None:
    assert Client().get(URL + "events").status_code == 401


def test_the_header_asks_for_the_classes_once_and_marks_the_one_that_is_shown(instructor: User) -> None:
    other = Classroom.objects.create(slug="ningbo", title_zh="宁波", title_en="Ningbo")
    Membership.objects.create(classroom=other, user=instructor, role=Role.INSTRUCTOR)
    client = Client(headers={"accept-language": "en"})
    client.force_login(instructor)
    with CaptureQueriesContext(connection) as asked:
        page = client.get("/labs/").content.decode()
    about = [query["sql"] for query in asked.captured_queries if "classroom_membership" in query["sql"]]
    assert len(about) == 1
    assert 'href="/class/ningbo/"' in page
    assert page.count('aria-current="page"') == 1
    page = client.get("/class/ningbo/").content.decode()
    assert '<a href="/class/ningbo/" aria-current="page">Ningbo</a>' in page
    assert '<a href="/class/hangzhou/" >' in page


def test_it_is_404_for_others(owner: User, stranger: User) -> None:
    for user in (owner, stranger):
        client = Client()
        client.force_login(user)
        assert client.get(URL).status_code == 404
        assert client.get(URL + "events").status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_class(
    instructor: User, owner: User, classmate: User, django_assert_num_queries: Any
) -> None:
    client = Client()
    client.force_login(instructor)
    finished(owner, "fail")
    with CaptureQueriesContext(connection) as few:
        client.get(URL)
    for user in (owner, classmate):
        Draft.objects.create(user=user, lab="fakes/quick")
        ReadingPosition.objects.create(user=user, chapter="operators/reconcile")
        for verdict in ("fail", "fail", "fail", "pass", "fail"):
            finished(user, verdict)
    with django_assert_num_queries(len(few)):
        client.get(URL)
