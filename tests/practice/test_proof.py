"""What pages say of the proof of a lab's grader."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from made import finished

from labs.harness import proof
from lastmile.accounts.models import User
from lastmile.practice import catalog

pytestmark = pytest.mark.usefixtures("fake_labs")
LAB, LABS = "/labs/fakes/quick/", "/labs/"


@pytest.fixture
def client(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def mistake(name: str, wrong: str = "") -> proof.Finding:
    """Of one that the lab has."""
    lab = catalog.find("fakes/quick")
    assert lab is not None
    file = lab.folder / "mistakes" / name / "mistake.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return proof.Finding(name, wrong, of=proof.program_hash(lab, f"mistakes/{name}"))


@pytest.fixture
def proved() -> Path:
    """A proof of the fake lab's grader, as `lastmile prove` keeps it."""
    lab = catalog.find("fakes/quick")
    assert lab is not None
    found = proof.empty(lab)
    found.mistakes = [mistake("one"), mistake("two"), mistake("three", wrong="passed")]
    found.mutants = {f"main.go:{n}": f"{proof.KILLED}ends" for n in range(40)}
    found.survivors = [proof.Finding("survivor", note={"zh": "等价", "en": "the same"})]
    agreed = {str(seed): proof.AGREED for seed in range(1, 21)}
    found.repeated = [proof.Repeated("solution", agreed, of=proof.program_hash(lab, "solution"))]
    return proof.save(lab, found)


def figures(page: str) -> list[str]:
    """The figures in the section on the proof, without markup."""
    section = page.partition('class="proof"')[2].partition("<details>")[0]
    return [
        row.partition("</dd>")[0].replace('<span class="faint">', "").replace("</span>", "")
        for row in section.split("<dd>")[1:]
    ]


def page(client: Client, url: str, language: str = "en") -> str:
    return client.get(url, headers={"accept-language": language}).text


def test_it_works(client: Client, proved: Path) -> None:
    text = page(client, LAB)
    assert figures(text) == ["2/3", "40/41", "0/20"]
    assert "lastmile prove fakes/quick" in text
    assert "What these figures mean" in text


def test_it_says_which_mutants_were_tried_and_why_some_pass(client: Client, proved: Path) -> None:
    lab = catalog.find("fakes/quick")
    assert lab is not None
    found = proof.load(lab)
    assert found is not None
    assert "always the same ones" not in page(client, LAB)
    found.mutants_found = 266
    other = {"zh": "<没有规定>", "en": "<unsaid>"}
    found.survivors += [proof.Finding(name, note=other) for name in ("secret.go:1", "secret.go:2")]
    proof.save(lab, found)
    text = page(client, LAB)
    assert "Of the 266 mutants there are, 40 were tried" in text
    said = text.partition("Why the others pass:")[2].partition("</ul>")[0]
    assert said.index("2 ×") < said.index("&lt;unsaid&gt;") < said.index("the same")
    assert "1 ×" not in said
    assert "secret.go" not in text, "a mutant's place is the solution's"
    assert "&lt;没有规定&gt;" in page(client, LAB, "zh-hans")


def test_it_is_said_in_chinese(client: Client, proved: Path) -> None:
    assert "抓住的已知错误" in page(client, LAB, "zh-hans")


def test_without_a_proof_nothing_is_claimed(client: Client) -> None:
    assert 'class="proof"' not in page(client, LAB)
    assert "known mistakes" not in page(client, LABS)


def test_a_proof_of_another_grader_does_not_count(client: Client, proved: Path) -> None:
    (proved.parent / "grader.py").write_text("# changed since\n")
    proved.touch()
    assert 'class="proof"' not in page(client, LAB)


def test_a_proof_that_cannot_be_read_does_not_break_the_page(client: Client, proved: Path) -> None:
    proved.write_text("{")
    assert 'class="proof"' not in page(client, LAB)


def test_parts_that_were_not_looked_at_are_left_out(client: Client) -> None:
    lab = catalog.find("fakes/quick")
    assert lab is not None
    found = proof.empty(lab)
    found.mistakes = [mistake("one")]
    proof.save(lab, found)
    assert figures(page(client, LAB)) == ["1/1"]


def test_mistakes_that_were_not_tried_count_as_known(client: Client) -> None:
    lab = catalog.find("fakes/quick")
    assert lab is not None
    found = proof.empty(lab)
    found.mistakes = [mistake("one"), mistake("two")][:1]
    proof.save(lab, found)
    assert figures(page(client, LAB)) == ["1/2"]


def test_the_list_of_labs_and_a_run_say_it_too(client: Client, owner: User, proved: Path) -> None:
    assert "its grader catches 2 of 3 known mistakes" in page(client, LABS)
    run = finished(owner, "pass")
    assert figures(page(client, run.get_absolute_url())) == ["2/3", "40/41", "0/20"]
