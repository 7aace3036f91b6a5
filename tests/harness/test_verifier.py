"""The verifier's refusals, read from logs that Linux 6.1 and 6.12 wrote for the programs beside them.

tests/harness/test_verifier_live.py makes both kernels refuse the programs again.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness import verifier
from labs.harness.verifier import Refusal
from labs.harness.verifier.log import MAX_KEPT_BYTES
from labs.harness.verifier.reasons import REASONS, reason_for

HERE = Path(__file__).with_name("verifier")
KERNELS = ("6.1", "6.12")
KINDS = {
    "context": "context",
    "core": "core",
    "endless": "endless",
    "kernel_memory": "kernel-memory",
    "length_not_bounded": "length-not-bounded",
    "licence": "licence",
    "maybe_null": "maybe-null",
    "maybe_null_ring": "maybe-null",
    "never_set": "never-set",
    "not_a_pointer": "not-a-pointer",
    "outside_packet": "outside-packet",
    "outside_value": "outside-value",
    "stack_index": "stack",
    "stack_key": "stack",
    "unbounded_index": "outside-value",
    "unreleased": "unreleased",
    "wrong_argument": "wrong-argument",
    "wrong_helper": "wrong-helper",
}
# an instruction that a failed relocation has poisoned belongs to no line: the one before is told
NEAREST = {"core": 10}


def recorded(kernel: str) -> dict[str, str]:
    """The log of each program by its name."""
    text = (HERE / "logs" / f"linux-{kernel}.txt").read_text()
    return dict(part.split("\n", 1) for part in f"\n{text}".split("\n== ")[1:])


def sources(name: str) -> dict[str, str]:
    return {f"bpf/{file}": (HERE / "programs" / file).read_text() for file in (f"{name}.bpf.c", "common.h")}


def marked(name: str) -> int:
    """The line with the mark."""
    lines = sources(name)[f"bpf/{name}.bpf.c"].splitlines()
    return NEAREST.get(name) or next(n for n, line in enumerate(lines, 1) if "/* here */" in line)


def explain(kernel: str, name: str) -> Refusal:
    found = verifier.explain(recorded(kernel)[name], sources(name))
    assert found is not None
    return found


def test_it_works() -> None:
    found = explain("6.12", "maybe_null")
    assert (found.kind, found.where) == ("maybe-null", "bpf/maybe_null.bpf.c:9")
    assert found.said == "R0 invalid mem access 'map_value_or_null'"
    assert found.registers == (("R0", "map_value_or_null(id=1,map=values,ks=4,vs=24)"),)
    assert found.source == "value->count++; /* here */"
    assert "if (!p) return 0;" in found.why.zh


def test_each_program_has_a_recording_of_each_kernel() -> None:
    programs = {path.name.removesuffix(".bpf.c") for path in (HERE / "programs").glob("*.bpf.c")}
    assert programs == set(KINDS) == set(recorded("6.1")) == set(recorded("6.12"))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", sorted(KINDS))
def test_both_kernels_are_understood(kernel: str, name: str) -> None:
    found = explain(kernel, name)
    assert found.kind == KINDS[name]
    assert (found.file, found.line) == (f"bpf/{name}.bpf.c", marked(name))


def test_a_leak_is_told_where_the_thing_was_taken() -> None:
    assert "bpf_ringbuf_reserve" in explain("6.1", "unreleased").source


def test_it_is_found_in_what_a_program_prints() -> None:
    """cilium/ebpf's %+v indents the log; loggers put a date before it; other lines follow."""
    log = recorded("6.1")["maybe_null"].replace("\n", "\n\t")
    output = f"starting\n2026/11/26 10:00:00 field Refused: load program: permission denied:\n\t{log}\nexit\n"
    found = verifier.explain(output, sources("maybe_null"))
    assert found is not None
    assert (found.kind, found.line) == ("maybe-null", 9)


def test_a_sentence_without_its_log_is_still_a_refusal() -> None:
    """cilium/ebpf's %v has the last lines alone."""
    short = "load program: permission denied: invalid mem access 'map_value_or_null' (21 line(s) omitted)"
    found = verifier.explain(short, {})
    assert found is not None
    assert (found.kind, found.file, found.line) == ("maybe-null", "", 0)


def test_of_equal_lines_the_nearest_is_meant() -> None:
    code = "x = 1;\nif (!v)\n\treturn 0;\ny = 2;\nif (!v)\n\treturn 0;\nz = *w;\n"
    log = (
        "; y = 2;\n0: (79) r1 = *(u64 *)(r0 +0)\n; return 0;\n1: (95) exit\nR0 !read_ok\nprocessed 2 insns\n"
    )
    found = verifier.explain(log, {"a.bpf.c": code})
    assert found is not None
    assert found.line in (3, 6)
    assert found.line == min((3, 6), key=lambda line: abs(line - 4))


def test_the_log_is_kept_with_its_refused_instruction() -> None:
    log = "2026/11/26 starting\nload program: permission denied:\n\t0: R1=ctx R10=fp0\n\t; *count += 1; @ a.bpf.c:9\n\t5: (79) r1 = *(u64 *)(r0 +0)\n"
    log += "\tR0 invalid mem access 'map_value_or_null'\n\tprocessed 6 insns (limit 1000000)\nexit\n"
    found = verifier.explain(log, {})
    assert found is not None
    kept = found.log
    assert kept.lines[0].strip() == "0: R1=ctx R10=fp0", (
        "what the program printed before is not the verifier's"
    )
    assert kept.lines[kept.refused].strip() == "5: (79) r1 = *(u64 *)(r0 +0)"
    assert kept.lines[kept.said].strip() == found.said
    assert (kept.lines[4].strip(), kept.left_out) == ("processed 6 insns (limit 1000000)", 0)


def test_of_a_long_log_the_end_is_kept() -> None:
    rows = [f"{n}: (b7) r1 = {n}" + " " * 400 + "; R1=1" for n in range(1900)]
    found = verifier.explain("\n".join([*rows, "R0 invalid mem access 'scalar'", "processed 1 insns"]), {})
    assert found is not None
    kept = found.log
    assert sum(len(line) + 1 for line in kept.lines) <= MAX_KEPT_BYTES
    assert kept.left_out > 0
    assert kept.left_out + len(kept.lines) == len(rows) + 2
    assert kept.lines[kept.refused].startswith("1899: (b7)")
    assert kept.lines[kept.said] == "R0 invalid mem access 'scalar'"


def test_a_kept_log_has_no_escape_sequences() -> None:
    found = verifier.explain("0: (b7) r1 = 1\x1b[31m\u202e\nR0 invalid mem access 'scalar'\n", {})
    assert found is not None
    assert found.log.lines[0] == "0: (b7) r1 = 1"


def test_a_refusal_of_no_known_kind_keeps_the_verifiers_words() -> None:
    log = "0: (85) call foo#1\nthe moon is in the wrong phase\nprocessed 1 insns (limit 1000000)\n"
    found = verifier.explain(log, {})
    assert found is not None
    assert (found.kind, found.said) == ("other", "the moon is in the wrong phase")


@pytest.mark.parametrize(
    "said",
    [
        "BPF program is too large. Processed 1000001 insn",
        "The sequence of 8193 jumps is too complex.",
        "back-edge from insn 9 to 8",
    ],
)
def test_other_words_for_endless(said: str) -> None:
    reason = reason_for(said)
    assert reason is not None
    assert reason.kind == "endless"


@pytest.mark.parametrize("text", ["", "hello\n", "processed 3 insns (limit 1000000)\n", "listening on :9100"])
def test_what_is_no_refusal_is_none(text: str) -> None:
    assert verifier.explain(text, {}) is None


def test_each_explanation_is_in_both_languages() -> None:
    for reason in REASONS:
        for text in (reason.text, reason.why):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh)
            assert text.en.isascii()
            assert not {"！", "!"} & set(text.en[-1] + text.zh[-1])


FRAGMENTS = st.sampled_from(
    [line + "\n" for kernel in KERNELS for log in recorded(kernel).values() for line in log.splitlines()[:9]]
    + ["R0", "_or_null(", "=" * 50, "; ", " @ ", "R1=scalar(", "processed ", "from 1 to ", ")" * 40]
)


@given(st.lists(FRAGMENTS | st.text(max_size=20), max_size=40).map("".join))
def test_any_text_is_read(log: str) -> None:
    found = verifier.explain(log, sources("maybe_null"))
    assert found is None or found.said in " ".join(line.strip() for line in log.splitlines())


@given(st.binary(max_size=400))
def test_any_bytes_are_read(log: bytes) -> None:
    verifier.explain(log, {"bpf/a.bpf.c": log.decode("latin-1")})


@pytest.mark.parametrize(
    "line",
    ["R1=scalar(" * 100_000, "; " + "a" * 10_000_000, " R1" * 1_000_000, "0: (" * 500_000, "\n" * 5_000_000],
)
def test_it_takes_bounded_time(line: str) -> None:
    begun = time.process_time()
    verifier.explain(line + "\nR0 !read_ok\nprocessed 1 insns\n", {})
    verifier.explain((line[:1999] + "\n") * 3000, {})
    assert time.process_time() - begun < 5
