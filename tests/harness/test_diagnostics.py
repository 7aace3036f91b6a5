"""What the Go tools say, taken apart."""

from __future__ import annotations

from labs.harness.diagnostics import Diagnostic, parse, parse_clang, unformatted


def test_it_works() -> None:
    output = (
        "# example.com/x\n./main.go:3:27: undefined: nope\nvet: ./api/v1/a.go:4:2: declared and not used: x\n"
    )
    assert parse("build", output) == [
        Diagnostic("build", "main.go", 3, 27, "undefined: nope"),
        Diagnostic("build", "api/v1/a.go", 4, 2, "declared and not used: x"),
    ]


def test_lines_that_follow_belong_to_the_message() -> None:
    output = "main.go:5:2: no required module provides package foo; to add it:\n\tgo get foo\n"
    assert parse("build", output)[0].message.endswith("to add it:\ngo get foo")


def test_a_message_without_a_place_is_kept() -> None:
    assert parse("build", "go: updates to go.mod needed\n") == [
        Diagnostic("build", "", 0, 0, "go: updates to go.mod needed")
    ]


def test_the_same_is_said_once_and_the_list_is_bounded() -> None:
    assert len(parse("vet", "a.go:1:1: x\n" * 3)) == 1
    assert len(parse("vet", "".join(f"a.go:{n}:1: x\n" for n in range(1, 500)))) == 50


def test_gofmt_names_submitted_files_only() -> None:
    output = "main.go\nother.go\nbad.go:3:1: expected declaration\n"
    assert [d.file for d in unformatted(output, {"main.go", "bad.go"})] == ["main.go"]


def test_clang_names_errors_and_warnings_with_their_notes() -> None:
    output = """In file included from /work/src/bpf/a.bpf.c:3:
/work/src/bpf/event.h:4:2: error: unknown type name 'oops'
/work/src/bpf/a.bpf.c:9:13: warning: unused function 'f' [-Wunused-function]
/var/cache/include/bpf/bpf_tracing.h:1:2: note: expanded from macro 'BPF_KPROBE'
1 warning and 1 error generated.
Error: compile: exit status 1
"""
    error, warning = parse_clang(output, "/work/src")
    assert error == Diagnostic("clang", "bpf/event.h", 4, 2, "unknown type name 'oops'")
    assert (warning.file, warning.line, warning.advice) == ("bpf/a.bpf.c", 9, True)
    assert warning.message.endswith("bpf_tracing.h:1: expanded from macro 'BPF_KPROBE'")


def test_what_bpf2go_says_itself_is_about_the_submission() -> None:
    assert parse_clang("Error: collect C types: type name event: not found\n", "/work/src") == [
        Diagnostic("clang", "", 0, 0, "Error: collect C types: type name event: not found")
    ]
