"""Whole runs of a small tracer lab on real kernels: what each kind of program gets.

The right program is graded on both kernels; the others on one, which is enough to see what they get.
"""

from __future__ import annotations

import dataclasses
import random
import re
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from labs.harness import engine, manifest, pace, submission
from labs.harness.events import Event
from labs.harness.starvation import Starvation
from labs.harness.submission import Submission
from labs.harness.traffic import Plan, Truth
from labs.harness.verdict import CheckResult, Verdict
from sandboxes.interface import Handle, RunDelay

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

LAB = manifest.load("tracers/states", Path(__file__).with_name("labs"))
ON_ONE = dataclasses.replace(LAB, kernels=("6.12",))
SOLUTION = submission.accept(LAB, submission.read_dir(LAB.folder / "solution"))
SEED = 11
C, GO = "bpf/states.bpf.c", "main.go"
ATTACHED = 'fmt.Println("attached")'


def grade(lab: manifest.Lab = ON_ONE, **files: str) -> tuple[Verdict, list[Event]]:
    """The solution with other text in the files named `c` and `go`."""
    named = {{"c": C, "go": GO}[name]: text.encode() for name, text in files.items()}
    events: list[Event] = []
    verdict = engine.grade(lab, Submission({**SOLUTION.files, **named}), events.append, seed=SEED)
    return verdict, events


def solution(name: str, before: str, after: str) -> str:
    text = SOLUTION.files[name].decode()
    assert before in text
    return text.replace(before, after)


def then(code: str, *imports: str) -> str:
    """The solution's Go, which does this once it is attached and has served for a moment."""
    text = solution(GO, ATTACHED, f"{ATTACHED}\n\tgo func() {{ time.Sleep(3 * time.Second); {code} }}()")
    lines = "".join(f'\t"{name}"\n' for name in ("time", *imports) if f'"{name}"' not in text)
    return text.replace("import (\n", f"import (\n{lines}")


def only(verdict: Verdict, check: str) -> CheckResult:
    return next(row for row in verdict.checks if row.check == check)


def saw(row: CheckResult) -> str:
    assert row.failure is not None, row
    return str(row.failure["saw"]["en"])


def test_it_works() -> None:
    verdict, events = grade(LAB)
    assert verdict.verdict == "pass", (verdict.checks, verdict.log)
    assert all(row.kernels == {"6.1": "passed", "6.12": "passed"} for row in verdict.checks)
    logs = [e for e in events if e["type"] == "log"]
    assert {e.get("kernel") for e in logs if "attached" in e["text"]} == {"6.1", "6.12"}
    told = sorted((e for e in events if e["type"] == "traffic"), key=lambda e: str(e["kernel"]))
    assert [e["kernel"] for e in told] == ["6.1", "6.12"]
    assert told[0]["connections"] == told[1]["connections"], "each kernel draws the same plan"
    assert Counter(told[0]["connections"]) >= Counter(refused=5, timeout=2, half_open=3, queued=3)
    assert told[0]["counts"]
    assert all(row["planned"] == row["seen"] > 0 for row in told[0]["counts"])
    costs = [e for e in events if e["type"] == "cost"]
    assert {(e["kernel"], e["connections"], e["most"]) for e in costs} == {
        ("6.1", 20, 3.0),
        ("6.12", 20, 3.0),
    }
    cost = costs[0]
    assert cost["yours"] == cost["reference"]
    assert cost["yours"]["user"] > 0
    assert cost["yours"]["run"] > 0


def test_where_the_machines_wait_for_a_processor_both_clocks_allow_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two machines that wait nine tenths of their time, on the pool's word."""
    begun = time.monotonic()

    def delay(handle: Handle) -> RunDelay:
        return RunDelay(0.1 * (time.monotonic() - begun), 0.9 * (time.monotonic() - begun))

    monkeypatch.setattr(engine, "Starvation", partial(Starvation, delay=delay))
    verdict, events = grade(LAB)
    assert verdict.verdict == "pass", (verdict.checks, verdict.log)
    said = [e["text"]["en"] for e in events if e["type"] == "step"]
    stretched = [re.search(r"extended to ([0-9.]+) times", text) for text in said]
    assert [float(found[1]) > 2.0 for found in stretched if found] == [True], "the engine's"
    told = [re.search(r"a second took ([0-9.]+)", text) for text in said]
    assert [float(found[1]) > 2.0 for found in told if found] == [True, True], "each grader's"


def test_a_refusal_of_the_verifier_is_told_at_the_learners_line() -> None:
    code = solution(C, "\tif (!event) {\n\t\tcount_lost();\n\t\treturn 0;\n\t}\n", "")
    verdict, events = grade(LAB, c=code)
    row = only(verdict, "serves")
    assert (verdict.verdict, row.kernels) == ("fail", {"6.1": "failed", "6.12": "failed"})
    line = code.splitlines().index("\tevent->old_state = ctx->oldstate;") + 1
    assert f"{C}:{line}: a pointer that may be null" in saw(row)
    assert row.failure is not None
    assert "if (!p) return 0;" in row.failure["hint"]["zh"]
    found = [e for e in events if e["type"] == "diagnostic" and e["tool"] == "verifier"]
    assert {(e["file"], e["line"], e["kernel"]) for e in found} == {(C, line, "6.1"), (C, line, "6.12")}
    for event in found:
        log = event["log"]
        assert log["lines"][log["said"]] == event["message"]
        assert re.match(r"\d+: \([0-9a-f]{2}\) ", log["lines"][log["refused"]])
        assert any("ctx->oldstate" in text for text in log["lines"][: log["refused"]])


def test_a_program_that_prints_the_last_sentence_alone_is_told_the_line_too() -> None:
    code = solution(C, "\tif (!event) {\n\t\tcount_lost();\n\t\treturn 0;\n\t}\n", "")
    verdict, _ = grade(c=code, go=solution(GO, 'log.Fatalf("%+v", err)', "log.Fatal(err)"))
    assert f"{C}:" in saw(only(verdict, "serves"))


def canned(seed: int) -> str:
    """A tracer that counts nothing: as soon as the plan's traffic begins, it serves what was right for `seed`."""
    states = planned(seed).states
    rows = "".join(f'\t{{"{old}", "{new}", {port}}}: {n},\n' for (old, new, port), n in states.items())
    code = solution(
        GO,
        "c.seen[key{names[event.OldState], names[event.NewState], event.Dport}]++",
        "if event.Dport >= 20000 && event.Dport < 32000 {\n\t\t\tc.seen = canned\n\t\t}",
    )
    return f"{code}\nvar canned = map[key]uint64{{\n{rows}}}\n"


def planned(seed: int) -> Truth:
    """What the check `counts` of labs/tracers/states/grader.py draws."""
    counts = {
        "client_close": 12,
        "server_close": 8,
        "client_reset": 6,
        "server_reset": 6,
        "refused": 5,
        "timeout": 2,
        "half_open": 3,
        "overflow": 5,
    }
    return Plan.draw(random.Random(seed), **counts).truth()


def test_numbers_that_were_right_for_another_seed_do_not_fit() -> None:
    verdict, _ = grade(go=canned(SEED + 1))
    assert only(verdict, "serves").status == "passed"
    row = only(verdict, "counts")
    assert (verdict.verdict, row.status) == ("fail", "failed")
    shown = {int(port) for port in re.findall(r"\b[23]\d{4}\b", saw(row))}
    assert shown == planned(SEED).ports, "each port of the plan lacks its counts"
    assert not shown & planned(SEED + 1).ports


def test_the_same_numbers_fit_where_somebody_knew_the_seed() -> None:
    """Nothing else is wrong with the tracer of the test above."""
    verdict, _ = grade(go=canned(SEED))
    assert only(verdict, "counts").status == "passed", only(verdict, "counts")


QUIET = 'os.WriteFile("/sys/class/tty/ttyS0/console", []byte("N"), 0)'
SILENT_OFF = f"{QUIET}; syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)"


@pytest.mark.parametrize(
    ("code", "imports", "said"),
    [
        ("syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)", (), "powered the machine off"),
        ("syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)", (), "restarted the machine"),
        ('os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)', (), "crash"),
        (
            SILENT_OFF,
            (),
            "without a word on the console",
        ),
    ],
)
def test_a_machine_that_the_program_ended_fails_the_check_and_says_so(
    code: str, imports: tuple[str, ...], said: str
) -> None:
    verdict, _ = grade(go=then(code, *imports))
    assert verdict.verdict == "fail", verdict.log
    failed = [row for row in verdict.checks if row.status == "failed"]
    assert len(failed) == 1
    assert said in saw(failed[0])
    assert "skipped" in {row.status for row in verdict.checks}


def test_a_tracer_that_never_serves_fails_its_first_check() -> None:
    verdict, _ = grade(go=solution(GO, "go serve(c, objs.Lost)", "_ = serve"))
    assert "did not answer within 40 s" in saw(only(verdict, "serves"))


ENDLESS_BODY = """for {
		if _, err := fmt.Fprintln(w, "tcp_state_changes_total 1"); err != nil {
			return
		}
	}"""
ENDLESS_HEADERS = """conn, _, _ := w.(http.Hijacker).Hijack()
	fmt.Fprint(conn, "HTTP/1.1 200 OK\\r\\n")
	for {
		if _, err := fmt.Fprint(conn, "X-More: yes\\r\\n"); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}"""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(ENDLESS_BODY, "no answer: more than 524288 bytes", id="body"),
        pytest.param(ENDLESS_HEADERS, r"no answer: .*(within \d+|deadline exceeded)", id="slow headers"),
    ],
)
def test_an_answer_without_end_fails_the_check_that_asked(answer: str, said: str) -> None:
    """The first answer is a right one, so that the check which starts the tracer passes."""
    code = solution(GO, "\t\tc.write(w)\n", f"\t\tif asked++; asked > 1 {{\n{answer}\n}}\n\t\tc.write(w)\n")
    if "time." in answer:
        code = code.replace('\t"syscall"\n', '\t"syscall"\n\t"time"\n')
    verdict, _ = grade(go=f"{code}\nvar asked int\n")
    assert verdict.verdict == "fail", verdict.log
    assert only(verdict, "serves").status == "passed"
    row = only(verdict, "counts")
    assert re.search(said, saw(row))
    # a scrape has ten seconds, which stretch where the machine is busy
    assert row.seconds < 10 * pace.MOST + 40
    assert only(verdict, "leaves").status != "skipped", "the machine and its agent are there as before"


def test_another_format_is_told_with_its_line() -> None:
    code = solution(GO, '"# TYPE tcp_state_changes_total counter\\n"', '"{}\\n"')
    verdict, _ = grade(go=code)
    assert "line 2: not a sample" in saw(only(verdict, "counts"))


def test_a_program_that_ends_at_once_is_a_failed_check_with_its_last_words() -> None:
    code = solution(GO, "\tvar objs bpfObjects\n", '\tlog.Fatal("no way")\n\tvar objs bpfObjects\n')
    verdict, _ = grade(go=code)
    assert verdict.verdict == "fail"
    assert "it ended (exit code 1)" in saw(only(verdict, "serves"))
    assert "no way" in saw(only(verdict, "serves"))


HUGE = """
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1342177280); /* of 8 bytes: 10 GiB */
	__type(key, __u32);
	__type(value, __u64);
} huge SEC(".maps");
"""


def test_a_map_of_ten_gigabytes_is_told_by_its_name_and_its_size() -> None:
    verdict, _ = grade(c=SOLUTION.files[C].decode() + HUGE)
    assert verdict.verdict == "fail", verdict.log
    row = only(verdict, "serves")
    assert re.search(r"map huge: map create: (cannot allocate memory|argument list too long)", saw(row))
    assert row.failure is not None
    assert row.failure["saw"]["zh"].splitlines()[1:] == row.failure["saw"]["en"].splitlines()[1:]
    assert "看看 max_entries" in row.failure["hint"]["zh"]
    assert "Look at max_entries" in row.failure["hint"]["en"]


def test_a_tracer_that_was_ended_for_its_memory_is_told_so() -> None:
    """It takes it before it serves, so that the check that starts it fails."""
    hog = "for all := [][]byte{}; ; { all = append(all, bytes.Repeat([]byte{1}, 1<<20)) }"
    verdict, _ = grade(go=solution(GO, "go serve(c, objs.Lost)", hog))
    assert verdict.verdict == "fail", verdict.log
    row = only(verdict, "serves")
    assert row.failure is not None
    for text in (row.failure["saw"], row.failure["hint"]):
        assert "内存超过上限" in text["zh"]
        assert "used more memory than it may" in text["en"]
    assert "grows without bound" in row.failure["hint"]["en"]


def test_a_pin_that_stays_is_named() -> None:
    code = solution(
        GO,
        ATTACHED,
        f'if err := objs.Lost.Pin("/sys/fs/bpf/mine"); err != nil {{\n\t\treturn err\n\t}}\n\t{ATTACHED}',
    )
    verdict, _ = grade(go=code)
    assert "/sys/fs/bpf/mine" in saw(only(verdict, "leaves"))


def test_a_tracer_that_disturbs_the_traffic_is_told_so() -> None:
    """It takes loopback's IPv6 away once it is attached."""
    code = then('os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0)')
    verdict, _ = grade(go=solution_with_delay(code))
    assert verdict.verdict == "fail", verdict.log
    row = only(verdict, "counts")
    assert "did not end as planned" in saw(row) or "could not do it" in saw(row)


def solution_with_delay(code: str) -> str:
    """At once instead of in a moment: before the first traffic."""
    return code.replace("time.Sleep(3 * time.Second)", "time.Sleep(time.Millisecond)")
