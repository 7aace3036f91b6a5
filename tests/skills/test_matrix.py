"""The matrix: a cell is shown, partly shown, tried or without evidence, and says what comes next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lastmile.accounts.models import User
from lastmile.skills import matrix
from lastmile.skills.models import CELLS

sys.path.append(str(Path(__file__).parents[1] / "practice" / "fakes"))

from made import finished

CELL = "engineering.senior"
LAB = "operators/database"


def _cell(user: User, id_: str = CELL) -> dict[str, Any]:
    cells = [cell for row in matrix.of(user)["rows"] for cell in row["cells"]]
    assert {cell["id"] for cell in cells} == set(CELLS)
    found: dict[str, Any] = next(cell for cell in cells if cell["id"] == id_)
    return found


def test_it_works(owner: User) -> None:
    cell = _cell(owner)
    assert cell["standing"] == "none"
    assert cell["evidence"] == []
    assert cell["next"]["url"] == f"/labs/{LAB}/"


def test_a_run_that_failed_is_no_evidence_but_a_beginning(owner: User) -> None:
    finished(owner, "fail", LAB)
    assert _cell(owner)["standing"] == "tried"


def test_our_fault_changes_nothing(owner: User) -> None:
    finished(owner, "internal", LAB)
    assert _cell(owner)["standing"] == "none"


def test_a_pass_is_evidence_that_leads_to_its_run(owner: User) -> None:
    run = finished(owner, "pass", LAB)
    cell = _cell(owner)
    assert cell["standing"] == "partly"
    assert cell["evidence"][0]["url"] == run.get_absolute_url()
    assert cell["next"]["url"] == "/labs/tracers/lifecycle/"


def test_what_a_cell_rests_on_has_to_be_there_in_full(owner: User) -> None:
    for lab in (LAB, "tracers/lifecycle", "tracers/tcp_connections"):
        finished(owner, "pass", lab)
    cell = _cell(owner)
    assert (cell["standing"], len(cell["evidence"])) == ("shown", 3)
    assert cell["next"] is None


def test_it_is_the_learners_own(owner: User, classmate: User) -> None:
    finished(owner, "pass", LAB)
    assert _cell(classmate)["standing"] == "none"


def test_the_page_never_shows_a_bare_percentage(owner: User) -> None:
    client = Client(headers={"accept-language": "en"})
    client.force_login(owner)
    page = client.get("/skills/").content.decode()
    assert "no evidence" in page
    assert "%" not in page.split("<main")[1]


@pytest.mark.django_db
def test_a_stranger_signs_in_first() -> None:
    assert Client().get("/skills/").status_code == 302
