"""The command line: exit codes, what is printed and in which language."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from labs.harness import cli, display, doctor, manifest
from labs.harness.display import Display, language_of
from labs.harness.events import Text
from sandboxes.setup import __main__ as set_up

LABS = Path(__file__).with_name("labs")
LAB = manifest.load("services/echo", LABS)


def test_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["labs", "--lang", "en"]) == 0
    assert "operators/database" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv", [["grade"], ["no-such-verb"], ["grade", "x", "y", "--json", "--events"], ["labs", "--loud"]]
)
def test_wrong_usage_is_64_because_2_speaks_of_the_submission(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 64


def test_a_check_that_the_lab_does_not_have_is_64(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["grade", "operators/database", str(tmp_path), "--only", "nothing"]) == 64
    assert "operators/database has no check nothing; it has connects, " in capsys.readouterr().err


def test_the_set_up_takes_its_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(set_up, "main", told.append)
    cli.main(["setup", "--list", "--only", "go"])
    assert told == [["--list", "--only", "go"]]


def test_an_unknown_lab_is_64(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["grade", "operators/none", "."]) == 64
    assert "there is no lab 'operators/none'" in capsys.readouterr().err


def test_a_folder_that_cannot_be_read_is_an_error_with_a_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.go").symlink_to("/etc/passwd")
    assert cli.main(["grade", "operators/database", str(tmp_path), "--json"]) == 2
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["verdict"] == "error"
    assert verdict["reason"]["zh"].startswith("main.go: ")


@pytest.mark.parametrize(
    ("named", "environment", "expected"),
    [
        ("zh", {"LANG": "en_US.UTF-8"}, "zh"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh"),
        (None, {"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        (None, {}, "en"),
    ],
)
def test_the_language(
    monkeypatch: pytest.MonkeyPatch, named: str | None, environment: dict[str, str], expected: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language_of(named) == expected


@pytest.mark.parametrize(
    ("language", "word", "rung"), [("zh", "看到", "打印 ready"), ("en", "saw", "Prints ready")]
)
def test_a_failed_check_is_explained(language: display.Language, word: str, rung: str) -> None:
    out = io.StringIO()
    show = Display(LAB, language, out=out)
    text = Text("一行\n两行", "line one\nline two").json()
    failure = {"tried": text, "saw": text, "expected": text, "hint": text, "command": "kubectl get pods"}
    show({"type": "check", "check": "speaks", "status": "failed", "seconds": 1.0, "failure": failure})
    told = out.getvalue()
    assert word in told
    assert rung in told
    assert "$ kubectl get pods" in told
    assert "services/echo#speaks" in told
    assert "\x1b" not in told, "no colours where there is no terminal"


@pytest.mark.system
def test_grade_prints_json_and_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "main.go").write_text("package main\n\nfunc main() { nope() }\n")
    assert cli.main(["grade", "operators/database", str(tmp_path), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["verdict"] == "error"
    assert cli.main(["grade", "operators/database", str(tmp_path), "--events"]) == 2
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(event["type"] == "diagnostic" and "undefined: nope" in event["message"] for event in events)
    assert events[-1]["type"] == "verdict"


def test_the_doctor_names_a_remedy_for_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LASTMILE_CACHE", str(tmp_path))
    found = {finding.name: finding for finding in doctor.examine()}
    assert not found["Go"].ok
    assert not found["control plane"].ok
    told = doctor.table(list(found.values()), "zh")
    assert "→ make setup" in told
    assert "不能编译提交" in told
