"""C and Go to one program, in real jails: what each kind of source gets, and what it cannot reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labs.harness import build, manifest, submission
from labs.harness.build import Built
from labs.harness.jails import Jails
from labs.harness.submission import BadSubmission, Submission
from sandboxes import paths
from sandboxes.bpf import toolchain
from sandboxes.interface import Completed, StartFailed

pytestmark = pytest.mark.system

LAB = manifest.load("tracers/states", Path(__file__).with_name("labs"))
SOLUTION = submission.accept(LAB, submission.read_dir(LAB.folder / "solution"))
C = "bpf/states.bpf.c"


@pytest.fixture
def jails() -> Iterator[Jails]:
    with Jails() as jails:
        yield jails


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "program"


def build_c(code: str, jails: Jails, into: Path, name: str = C) -> Built:
    """The solution with this C instead of its own."""
    files = {key: text for key, text in SOLUTION.files.items() if not key.endswith(".bpf.c")}
    return build.build(LAB, Submission({**files, name: code.encode()}), jails, into, lambda text: None)


def with_c(line: str) -> str:
    """The solution's C with one more line at its end."""
    return f"{SOLUTION.files[C].decode()}\n{line}\n"


def test_it_works(jails: Jails, into: Path) -> None:
    built = build.build(LAB, SOLUTION, jails, into, lambda text: None)
    assert built.program == into, built.output
    assert into.read_bytes()[:4] == b"\x7fELF"
    assert built.bpf is not None
    object_ = built.bpf.read_bytes()
    assert object_[:4] == b"\x7fELF"
    assert int.from_bytes(object_[18:20], "little") == 247  # EM_BPF
    assert object_ in into.read_bytes()
    assert built.diagnostics == []


def test_vet_sees_the_generated_bindings(jails: Jails) -> None:
    main = SOLUTION.files["main.go"].replace(b'fmt.Println("attached")', b'fmt.Printf("%d\\n", "attached")')
    found = build.vet(LAB, Submission({**SOLUTION.files, "main.go": main}), jails)
    assert [(d.tool, d.file, d.advice) for d in found] == [("vet", "main.go", True)]
    assert "wrong type string" in found[0].message


def test_an_error_in_c_has_file_line_and_column(jails: Jails, into: Path) -> None:
    built = build_c(with_c("int broken(void) { return nope; }"), jails, into)
    assert built.program is None
    line = len(SOLUTION.files[C].splitlines()) + 2
    [found] = built.diagnostics
    assert (found.tool, found.file, found.line, found.column) == ("clang", C, line, 27)
    assert "undeclared identifier 'nope'" in found.message
    assert built.reason is not None
    assert built.reason.en == "it does not compile: 1 error"


def test_an_error_in_a_header_of_the_learners_is_told_there(jails: Jails, into: Path) -> None:
    files = {**SOLUTION.files, "bpf/event.h": b"struct event { oops x; };\n"}
    built = build.build(LAB, Submission(files), jails, into, lambda text: None)
    assert (built.diagnostics[0].file, built.diagnostics[0].line) == ("bpf/event.h", 1)


def test_a_warning_is_advice(jails: Jails, into: Path) -> None:
    built = build_c(with_c("static int unasked(void) { return 0; }"), jails, into)
    assert built.program == into, built.output
    [found] = built.diagnostics
    assert (found.tool, found.file, found.advice) == ("clang", C, True)
    assert "unused function 'unasked'" in found.message


def test_an_error_in_go_is_told_as_ever(jails: Jails, into: Path) -> None:
    main = SOLUTION.files["main.go"].replace(b"objs.States", b"objs.Stated")
    built = build.build(LAB, Submission({**SOLUTION.files, "main.go": main}), jails, into, lambda text: None)
    assert [(d.tool, d.file) for d in built.diagnostics] == [("build", "main.go")]
    assert "objs.Stated undefined" in built.diagnostics[0].message


def test_a_type_that_the_object_lacks_is_named(jails: Jails, into: Path) -> None:
    files = {
        **SOLUTION.files,
        "bpf/event.h": SOLUTION.files["bpf/event.h"].replace(b"struct event", b"struct happening"),
    }
    files[C] = files[C].replace(b"struct event", b"struct happening")
    built = build.build(LAB, Submission(files), jails, into, lambda text: None)
    assert built.program is None
    assert any("event" in d.message and d.tool == "clang" for d in built.diagnostics), built.output


@pytest.mark.parametrize("names", [(), ("bpf/a.bpf.c", "bpf/b.bpf.c")])
def test_there_must_be_one_c_file(names: tuple[str, ...], jails: Jails, into: Path) -> None:
    files = {"main.go": SOLUTION.files["main.go"], **dict.fromkeys(names, SOLUTION.files[C])}
    built = build.build(LAB, Submission(files), jails, into, lambda text: None)
    assert built.program is None
    assert built.reason is not None
    assert f"exactly one bpf/*.bpf.c, but there are {len(names)}" in built.reason.en


def test_what_bpf2go_writes_is_no_part_of_a_submission() -> None:
    files = {**SOLUTION.files, "bpf_x86_bpfel.go": b"package stale\n", "bpf_x86_bpfel.o": b"\x7fELF\0"}
    assert submission.accept(LAB, Submission(files)).files == SOLUTION.files


@pytest.mark.parametrize("name", ["bpf/x.s", "bpf/x.o", "x.syso"])
def test_other_sources_are_still_refused(name: str) -> None:
    with pytest.raises(BadSubmission):
        submission.accept(LAB, Submission({**SOLUTION.files, name: b"x"}))


def test_a_go_generate_line_of_the_learner_never_runs(jails: Jails, into: Path) -> None:
    main = SOLUTION.files["main.go"].replace(
        b"package main", b"//go:generate sh -c 'touch generated; exit 1'\npackage main", 1
    )
    built = build.build(LAB, Submission({**SOLUTION.files, "main.go": main}), jails, into, lambda text: None)
    assert built.program == into, built.output


@pytest.mark.parametrize(
    "line",
    [
        '#include "/etc/shadow"',
        '#include "/etc/passwd"',
        "#include <linux/../../../etc/hostname>",
        '#include "/root/.bashrc"',
        "#include_next <stdio.h>",
        '__asm__(".incbin \\"/etc/shadow\\"");',
        '__asm__(".include \\"/etc/hostname\\"");',
        '#include "/var/lib/lastmile/secret"',
    ],
)
def test_no_file_of_the_host_gets_into_a_program(line: str, jails: Jails, into: Path) -> None:
    built = build_c(with_c(line), jails, into)
    assert built.program is None, line
    said = " ".join(d.message for d in built.diagnostics)
    assert (
        "not found" in said
        or "Could not find incbin" in said
        or "Could not find include" in said
        or "No such file" in said
    ), said


@pytest.mark.parametrize(
    "line", ['#include "/proc/self/environ"', '__asm__(".incbin \\"/proc/1/environ\\"");']
)
def test_what_can_be_read_of_proc_is_the_builds_own(
    line: str, jails: Jails, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc in the jail is the jail's: its environment is the one that every build has, and says nothing."""
    monkeypatch.setenv("DATABASE_URL", "postgres://who:a-secret-of-ours@db/x")
    built = build_c(with_c(line), jails, into)
    seen = built.output.encode() + (built.bpf.read_bytes() if built.bpf else b"") + into.read_bytes()
    assert b"a-secret-of-ours" not in seen
    assert b"DATABASE_URL" not in seen


def test_embed_is_not_c_of_this_compiler(jails: Jails, into: Path) -> None:
    built = build_c(with_c("const char x[] = {\n#embed </etc/shadow>\n};"), jails, into)
    assert built.program is None
    assert "invalid preprocessing directive" in built.diagnostics[0].message


@pytest.mark.parametrize(
    ("line", "why"),
    [('#include "/dev/zero"', ""), ('__asm__(".incbin \\"/dev/zero\\"");', "used up its memory")],
)
def test_a_device_is_nothing_or_too_much(line: str, why: str, jails: Jails, into: Path) -> None:
    lab = replace(LAB, build=replace(LAB.build, seconds=20.0, memory_bytes=512 << 20))
    files = {**SOLUTION.files, C: with_c(line).encode()}
    built = build.build(lab, Submission(files), jails, into, lambda text: None)
    if why:
        assert built.bpf is None
        assert built.reason is not None
        assert why in built.reason.en
    else:
        assert built.bpf is not None
        assert built.bpf.stat().st_size < 1 << 16


def test_a_preprocessor_bomb_is_stopped(jails: Jails, into: Path) -> None:
    levels = "".join(f"#define x{n} x{n - 1} x{n - 1} x{n - 1} x{n - 1}\n" for n in range(1, 30))
    lab = replace(LAB, build=replace(LAB.build, seconds=10.0, memory_bytes=512 << 20))
    files = {**SOLUTION.files, C: with_c(f"#define x0 0+\n{levels}int bomb = x29 0;").encode()}
    built = build.build(lab, Submission(files), jails, into, lambda text: None)
    assert built.program is None
    assert built.reason is not None
    assert built.reason.en.startswith(("the build", "it does not compile"))


def test_a_header_that_includes_itself_ends(jails: Jails, into: Path) -> None:
    files = {**SOLUTION.files, "bpf/event.h": b'#include "event.h"\n'}
    built = build.build(LAB, Submission(files), jails, into, lambda text: None)
    assert built.program is None
    assert "nested too deeply" in built.diagnostics[0].message


def test_a_missing_compiler_is_ours(jails: Jails, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "CLANG", ("clang-that-is-not-here",))
    with pytest.raises(StartFailed, match="missing: clang-14"):
        build.build(LAB, SOLUTION, jails, into, lambda text: None)


def test_missing_headers_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTMILE_CACHE", str(tmp_path))
    assert paths.cache_dir() == tmp_path
    assert toolchain.missing() == ["bpf2go", "vmlinux.h", "libbpf's headers"]


def test_a_program_of_300_mib_is_an_error_of_the_learners(jails: Jails, into: Path) -> None:
    files = {
        **SOLUTION.files,
        "large.go": b"package main\n\nvar Large = [80 << 20]byte{1}\n\nfunc init() { println(&Large) }\n",
    }
    built = build.build(LAB, Submission(files), jails, into, lambda text: None)
    assert built.program is None
    assert built.reason is not None
    assert "larger than 64 MiB" in built.reason.en
    assert not into.with_name("exported").exists() or not into.with_name("exported").stat().st_size


def test_a_jail_that_never_began_is_ours(jails: Jails, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never = Completed(1, b"bwrap: Creating new namespace failed", 0.1)
    monkeypatch.setattr(jails, "run", lambda command: never)
    with pytest.raises(StartFailed, match="could not be started"):
        build.build(LAB, SOLUTION, jails, into, lambda text: None)
