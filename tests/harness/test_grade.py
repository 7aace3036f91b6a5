"""Whole runs in real jails, on a lab without a sandbox: what each kind of submission gets."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import pytest

from labs.harness import engine, manifest, pace, submission
from labs.harness.events import Event
from labs.harness.submission import Submission
from labs.harness.verdict import Verdict
from sandboxes import paths
from sandboxes.interface import StartFailed

pytestmark = pytest.mark.system

LAB = manifest.load("services/echo", Path(__file__).with_name("labs"))
SOLUTION = submission.read_dir(LAB.folder / "solution")


def grade(main: str, **more: object) -> tuple[Verdict, list[Event]]:
    events: list[Event] = []
    verdict = engine.grade(LAB, Submission({"main.go": main.encode()}), events.append, **more)  # type: ignore[arg-type]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "verdict"
    return verdict, events


def body(code: str, *imports: str) -> str:
    listed = "".join(f'import "{name}"\n' for name in imports)
    return f"package main\n\n{listed}\nfunc main() {{\n\t{code}\n}}\n"


def of(events: list[Event], type_: str) -> list[Event]:
    return [event for event in events if event["type"] == type_]


def test_it_works() -> None:
    events: list[Event] = []
    verdict = engine.grade(LAB, SOLUTION, events.append)
    assert (verdict.verdict, verdict.points, verdict.passed) == ("pass", 30, 2), verdict.log
    assert [e["state"] for e in of(events, "state")] == ["building", "grading", "done"]
    assert {"build", "checks", "queue", "lease"} <= verdict.parts.keys()
    assert verdict.exit_code == 0


def test_a_failed_check_says_what_was_tried_seen_and_expected() -> None:
    verdict, events = grade(body('fmt.Println("hello")', "fmt"))
    assert (verdict.verdict, verdict.exit_code) == ("fail", 1)
    [failed] = [e for e in of(events, "check") if e["status"] == "failed"]
    assert failed["failure"]["hint"] == {"zh": "只看到 1 行", "en": "only 1 lines were seen"}
    assert [row.status for row in verdict.checks] == ["failed", "skipped"]


def test_code_that_does_not_compile_is_an_error_with_file_and_line() -> None:
    verdict, events = grade(body("x := 1"))
    assert (verdict.verdict, verdict.exit_code) == ("error", 2)
    [diagnostic] = [e for e in of(events, "diagnostic") if e["tool"] == "build"]
    assert (diagnostic["file"], diagnostic["line"], diagnostic["column"]) == ("main.go", 5, 2)
    assert "declared and not used: x" in diagnostic["message"]


def test_vet_and_gofmt_advise_but_do_not_fail() -> None:
    main = (
        SOLUTION.files["main.go"].decode().replace("<-ctx.Done()", '  fmt.Printf("%d\\n", "x"); <-ctx.Done()')
    )
    verdict, events = grade(main)
    assert verdict.verdict == "pass"
    assert {e["tool"] for e in of(events, "diagnostic")} == {"gofmt", "vet"}


def test_advice_that_does_not_come_changes_no_verdict(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> NoReturn:
        raise StartFailed("no jail for go vet")

    monkeypatch.setattr(engine.build, "vet", broken)
    verdict, _ = grade(SOLUTION.files["main.go"].decode())
    assert verdict.verdict == "pass"
    assert "no advice of go vet" in caplog.text
    assert "no jail for go vet" in caplog.text


def test_an_empty_submission_is_an_error_without_a_build() -> None:
    events: list[Event] = []
    verdict = engine.grade(LAB, Submission({}), events.append)
    assert verdict.verdict == "error"
    assert not of(events, "state")[:-1]
    assert of(events, "diagnostic")[0]["tool"] == "submission"


def test_a_panic_shows_up_in_the_log() -> None:
    verdict, events = grade(body('panic("no way")'))
    assert verdict.verdict == "fail"
    assert "panic: no way" in "".join(e["text"] for e in of(events, "log"))


def test_hostile_output_is_cleaned_and_cut() -> None:
    code = """fmt.Println("\\x1b[31mred\\x1b[0m </script> \\xff")
	for { fmt.Print(strings.Repeat("x", 1<<20)) }"""
    verdict, events = grade(body(code, "fmt", "strings"))
    assert verdict.verdict == "fail"
    text = "".join(e["text"] for e in of(events, "log"))
    assert text.startswith("red </script> \ufffd")
    assert len(text) < 2 << 20
    assert any("printed more than it may" in e["text"]["en"] for e in of(events, "step"))


def test_many_lines_end_at_a_mebibyte_with_a_note() -> None:
    _, events = grade(body('for { fmt.Println("0123456789012345678901234567890123456789") }', "fmt"))
    assert sum(len(e["text"]) for e in of(events, "log")) <= 1 << 20
    assert any("1 MiB" in e["text"]["en"] for e in of(events, "step"))


def test_a_memory_bomb_is_stopped() -> None:
    code = """var kept [][]byte
	for {
		kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
	}"""
    verdict, events = grade(body(code, "bytes"))
    assert verdict.verdict == "fail"
    assert any("memory" in e["text"]["en"] for e in of(events, "step")), of(events, "step")


def test_it_sees_neither_the_grader_nor_the_host() -> None:
    code = """for _, p := range []string{"/grader", "/audit.log", "/root", "/etc/passwd", "/work/kubeconfig"} {
		if _, err := os.Stat(p); err == nil { fmt.Println("SEES", p) }
	}
	found, _ := os.ReadDir("/proc")
	for _, e := range found {
		b, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		fmt.Printf("RUNS %s\\n", b)
	}
	fmt.Println("ENV", os.Environ())"""
    _, events = grade(body(code, "fmt", "os"))
    text = "".join(e["text"] for e in of(events, "log"))
    assert "SEES" not in text
    assert "labs.harness" not in text
    assert "ENV [" in text
    assert "TOKEN" not in text
    assert "PYTHON" not in text


def test_a_program_that_ignores_sigterm_fails_that_check() -> None:
    code = """signal.Ignore(syscall.SIGTERM)
	fmt.Println("ready", os.Getenv("GREETING"))
	select {}"""
    main = body(
        "go func() { for { time.Sleep(time.Hour) } }()\n\t" + code,
        "fmt",
        "os",
        "os/signal",
        "syscall",
        "time",
    )
    verdict, _ = grade(main)
    assert [row.status for row in verdict.checks] == ["passed", "failed"]
    failure = verdict.checks[1].failure
    assert failure is not None
    assert "still running" in failure["saw"]["en"]


def test_cancelling_ends_everything_at_once() -> None:
    cancel = threading.Event()
    caught: list[BaseException] = []

    def run() -> None:
        try:
            engine.grade(LAB, Submission({"main.go": body("select {}").encode()}), lambda e: None, cancel)
        except engine.Cancelled as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.5)
    begun = pace.now()
    cancel.set()
    thread.join(10)
    assert not thread.is_alive()
    assert caught
    assert pace.now() - begun < 3


def test_only_runs_a_check_and_what_it_needs() -> None:
    verdict = engine.grade(LAB, SOLUTION, lambda e: None, options=engine.Options(only=("ends",)))
    assert [row.check for row in verdict.checks] == ["speaks", "ends"]


def test_the_first_failure_can_end_the_run() -> None:
    lab = manifest.load("services/broken", Path(__file__).with_name("labs"))
    options = engine.Options(only=("fails", "unreached"), stop_at_failure=True)
    verdict = engine.grade(lab, SOLUTION, lambda e: None, options=options)
    assert [row.status for row in verdict.checks] == ["failed", "skipped"]


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("raises", "RuntimeError: a bug in the grader"),
        ("dies", "ended early"),
        ("forges", "broke the protocol"),
    ],
)
def test_a_broken_grader_is_internal_and_never_the_learners_fault(check: str, said: str) -> None:
    lab = manifest.load("services/broken", Path(__file__).with_name("labs"))
    verdict = engine.grade(lab, SOLUTION, lambda e: None, options=engine.Options(only=(check,)))
    assert (verdict.verdict, verdict.exit_code) == ("internal", 3)
    assert said in verdict.log, verdict.log
    assert "无关" in verdict.reason.zh


def test_a_check_that_takes_too_long_has_failed_with_its_last_step() -> None:
    lab = manifest.load("services/broken", Path(__file__).with_name("labs"))
    verdict = engine.grade(lab, SOLUTION, lambda e: None, options=engine.Options(only=("hangs",)))
    assert verdict.verdict == "fail"
    failure = next(row.failure for row in verdict.checks if row.check == "hangs")
    assert failure is not None
    assert failure["tried"]["en"] == "wait for ever"
    assert "within 0.5 s" in failure["saw"]["en"]


def test_nothing_is_left_behind() -> None:
    engine.grade(LAB, SOLUTION, lambda e: None)
    folder = paths.run_dir() / "sandboxes/run"
    ours = [entry for entry in folder.iterdir() if f'"pid": {os.getpid()}' in (entry / "owner").read_text()]
    assert ours == []
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    assert [pid for pid in children if "keeper" in Path(f"/proc/{pid}/cmdline").read_text()] == []


def test_a_log_that_cannot_be_written_ends_the_run_at_once() -> None:
    began: list[float] = []

    def broken(event: Event) -> None:
        if event["type"] in ("check", "log"):
            began.append(time.monotonic())
            raise ConnectionError("the broker is gone")

    verdict = engine.grade(LAB, SOLUTION, broken)
    assert verdict.verdict == "internal"
    assert "the broker is gone" in verdict.log
    assert time.monotonic() - began[0] < 15


def test_a_log_that_is_slow_at_the_end_costs_no_verdict() -> None:
    """The grader has ended long before its last event is written: a broker that hangs takes its time."""

    def slow(event: Event) -> None:
        if event["type"] == "check" and event["check"] == "ends":
            time.sleep(3.0)

    verdict = engine.grade(LAB, SOLUTION, slow)
    assert (verdict.verdict, verdict.log) == ("pass", "")


def test_what_a_program_prints_is_never_too_long_for_the_grader() -> None:
    """A byte that is no UTF-8 takes three, a control character six: a batch of lines is bounded by what it takes."""
    prints = body(
        "line := append(bytes.Repeat([]byte{0xff, 1}, 2000), 10); for range 220 { os.Stdout.Write(line) }; select {}",
        "bytes",
        "os",
    )
    verdict = engine.grade(LAB, Submission({"main.go": prints.encode()}), lambda e: None)
    assert (verdict.verdict, verdict.log) == ("fail", "")


def test_killed_with_9_it_leaves_nothing_running(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    script = """
import sys
from pathlib import Path
from labs.harness import engine, manifest
from labs.harness.submission import Submission
lab = manifest.load("services/echo", Path(sys.argv[1]))
main = b'package main\\nimport ("os"; "time")\\nfunc main() { os.Stdout.WriteString("up\\\\n"); time.Sleep(time.Hour) }\\n'
engine.grade(lab, Submission({"main.go": main}), lambda e: print(e["type"], e.get("text"), flush=True))
"""
    argv = [sys.executable, "-c", script, str(Path(__file__).with_name("labs"))]
    environment = {**os.environ, "PYTHONPATH": str(root), "LASTMILE_RUN": str(tmp_path)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("log up"):
            assert process.poll() is None
        started = descendants(process.pid)
        assert len(started) >= 4, "keepers, bubblewrap, the grader and the program"
        process.kill()
    deadline = time.monotonic() + 20
    while left := [pid for pid in started if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    children = [int(p) for f in Path(f"/proc/{pid}/task").glob("*/children") for p in f.read_text().split()]
    return children + [below for child in children for below in descendants(child)]
