"""/labs/ and /labs/<track>/<name>/."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from made import finished

from lastmile.accounts.models import User

pytestmark = pytest.mark.usefixtures("fake_labs")
URL = "/labs/fakes/quick/"


@pytest.fixture
def client(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def test_it_works(client: Client) -> None:
    answer = client.get(URL, headers={"accept-language": "en"})
    assert answer.status_code == 200
    assert "Brief en" in answer.context["brief"]
    data = answer.context["page_data"]
    assert [(file["path"], file["editable"]) for file in data["files"]] == [
        ("main.go", True),
        ("go.mod", False),
    ]
    assert data["draft"] == {"saved_at": None, "version": 0}
    checks = [(check["id"], check["hints"], check["unlocked"]) for check in data["checks"]]
    assert checks == [("first", 2, 0), ("second", 1, 0)]
    assert data["urls"]["events"] == "/runs/RUN/events"


def test_the_solution_shows_after_a_pass_and_not_before(client: Client, owner: User) -> None:
    finished(owner, "fail")
    answer = client.get(URL)
    assert answer.context["solution"] == []
    assert answer.context["debrief"] == ""
    assert "the answer" not in answer.content.decode()
    finished(owner, "pass")
    answer = client.get(URL)
    assert [file["path"] for file in answer.context["solution"]] == ["main.go"]
    assert "Debrief" in answer.context["debrief"]


def test_the_other_solutions_open_with_a_pass_too(
    client: Client, owner: User, classmate: User, fake_labs: Path
) -> None:
    other = fake_labs / "fakes" / "quick" / "solutions" / "plain"
    other.mkdir(parents=True)
    (other / "main.go").write_text("package main\n\n// another way\n")
    (other / "go.mod").write_text("module fake\n")
    finished(classmate, "pass")
    finished(owner, "fail")
    assert client.get(URL).context["other_solutions"] == []
    assert client.get(f"{URL}solutions/plain").status_code == 404
    finished(owner, "pass")
    assert f'href="{URL}solutions/plain"' in client.get(URL).content.decode()
    page = client.get(f"{URL}solutions/plain")
    assert [file["path"] for file in page.context["solution"]] == ["main.go"]
    assert "another way" in page.content.decode()
    assert client.get(f"{URL}solutions/nothing").status_code == 404
    assert Client().get(f"{URL}solutions/plain").status_code == 302


def test_a_classmates_pass_opens_nothing(client: Client, classmate: User) -> None:
    finished(classmate, "pass")
    assert client.get(URL).context["solution"] == []


def test_the_history_counts_changed_files(client: Client, owner: User) -> None:
    finished(owner, "fail", text="package main // a\n")
    finished(owner, "fail", text="package main // a\n")
    finished(owner, "pass", text="package main // b\n")
    rows = client.get(URL).context["history"]
    assert [(row["number"], row["verdict"], row["changed"]) for row in rows] == [
        (3, "pass", 1),
        (2, "fail", 0),
        (1, "fail", 0),
    ]


def test_the_list_says_how_one_stands(client: Client, owner: User) -> None:
    finished(owner, "fail")
    (track,) = client.get("/labs/").context["tracks"]
    standing = {lab["slug"]: (lab["status"], lab["best"]) for lab in track["labs"]}
    assert standing["fakes/quick"] == ("failed", {"passed": 1, "total": 2})
    assert standing["fakes/slow"] == ("none", None)


def test_a_run_that_was_our_fault_does_not_count(client: Client, owner: User) -> None:
    from made import a_run, result

    from lastmile.practice import lifecycle

    run = a_run(owner)
    for attempt in range(3):
        claim = lifecycle.claim(run.pk, attempt, "one")
        assert claim is not None
        lifecycle.finish(claim, result("internal"), [])
    (track,) = client.get("/labs/").context["tracks"]
    assert next(lab["status"] for lab in track["labs"] if lab["slug"] == "fakes/quick") == "none"


@pytest.mark.parametrize("url", ["/labs/fakes/nothing/", "/labs/operators/database/"])
def test_an_unknown_lab_is_404(client: Client, url: str) -> None:
    assert client.get(url).status_code == 404


def test_a_lab_that_is_being_written_takes_nothing_else_away(client: Client, fake_labs: Path) -> None:
    (fake_labs / "fakes" / "half").mkdir()
    (fake_labs / "fakes" / "half" / "lab.toml").write_text("title = 1\n[limits]\n")
    assert client.get("/labs/fakes/half/").status_code == 404
    page = client.get("/labs/")
    assert page.status_code == 200
    slugs = [lab["slug"] for track in page.context["tracks"] for lab in track["labs"]]
    assert "fakes/quick" in slugs
    assert "fakes/half" not in slugs


def test_the_files_of_its_history_are_not_read(client: Client, owner: User) -> None:
    for _ in range(3):
        finished(owner, "fail")
    with CaptureQueriesContext(connection) as asked:
        client.get(URL)
    about_files = [query["sql"] for query in asked.captured_queries if "submissionfile" in query["sql"]]
    assert len(about_files) == 1
    assert "sha256(" in about_files[0]


def test_it_asks_a_stranger_to_sign_in() -> None:
    assert Client().get(URL).status_code == 302
    assert Client().get("/labs/").status_code == 200
