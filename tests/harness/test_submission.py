"""What a learner hands in, and what is refused."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness import manifest, submission
from labs.harness.submission import BadSubmission, Submission

LAB = manifest.load("services/echo", Path(__file__).with_name("labs"))
MAIN = b"package main\n\nfunc main() {}\n"


def problems_of(files: dict[str, bytes]) -> list[submission.Problem]:
    with pytest.raises(BadSubmission) as caught:
        submission.accept(LAB, submission.from_files(files))
    return caught.value.problems


def refused(path: Path) -> list[submission.Problem]:
    with pytest.raises(BadSubmission) as caught:
        submission.read_dir(path)
    return caught.value.problems


def test_it_works(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_bytes(MAIN)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("not part of it")
    found = submission.read_dir(tmp_path)
    assert dict(found.files) == {"main.go": MAIN}
    assert submission.accept(LAB, found) == found


def test_the_starters_own_files_are_left_out_silently(tmp_path: Path) -> None:
    go_mod = (LAB.folder / "starter/go.mod").read_bytes()
    assert dict(submission.accept(LAB, Submission({"main.go": MAIN, "go.mod": go_mod})).files) == {
        "main.go": MAIN
    }


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "go.work", "vendor/x/y.go"])
def test_own_dependencies_are_refused(name: str) -> None:
    [problem] = problems_of({"main.go": MAIN, name: b"module x\n\nreplace a => ../../etc\n"})
    assert problem.file == name
    assert "依赖由本实验固定" in problem.text.zh
    assert "pins its dependencies" in problem.text.en


def test_a_file_that_is_not_editable_is_refused() -> None:
    [problem] = problems_of({"main.go": MAIN, "README.md": b"hi"})
    assert (problem.file, "*.go" in problem.text.en) == ("README.md", True)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (b'package main\n\nimport "C"\n\nfunc main() {}\n', "cgo is off"),
        (b'package main\n\nimport (\n\t"fmt"\n\t"C"\n)\n\nfunc main() {}\n', "cgo is off"),
        (b'package main\n\nimport _ "unsafe"\n\n//go:linkname x runtime.y\nfunc x()\n', "//go:linkname"),
        (b'package main\n\nimport _ "embed"\n\n//go:embed ../../etc/passwd\nvar s string\n', "//go:embed"),
        (b'package main\n\nimport _ "embed"\n\n//go:embed "/etc/passwd"\nvar s string\n', "//go:embed"),
        (b"package main\n\xff\xfe", "line 2 is not valid UTF-8"),
        (b"package main\n\0", "NUL"),
    ],
)
def test_go_that_leaves_the_lab_is_refused(code: bytes, said: str) -> None:
    [problem] = problems_of({"main.go": code})
    assert said in problem.text.en
    assert problem.text.zh != problem.text.en


def test_the_letter_c_in_a_string_is_no_cgo() -> None:
    code = b'package main\n\nvar grades = []string{\n\t"C",\n}\n\n//go:generate rm -rf /\nfunc main() {}\n'
    assert submission.accept(LAB, Submission({"main.go": code})).files["main.go"] == code


def test_nothing_editable_is_empty() -> None:
    [problem] = problems_of({})
    assert "none of the editable files" in problem.text.en


def test_links_and_special_files_are_refused_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.go").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "fifo.go")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "socket.go"))
        found = refused(tmp_path)
    assert sorted(p.file for p in found) == ["fifo.go", "folder", "link.go", "socket.go"]
    assert all("not a regular file" in p.text.en for p in found)


def test_a_link_into_the_starter_is_no_way_in(tmp_path: Path) -> None:
    (tmp_path / "main.go").symlink_to(LAB.folder / "solution/main.go")
    assert refused(tmp_path)[0].file == "main.go"


def test_control_and_bidirectional_characters_are_shown_escaped(tmp_path: Path) -> None:
    (tmp_path / "evil\u202egpj.go").write_bytes(MAIN)
    (tmp_path / "new\nline.go").write_bytes(MAIN)
    found = refused(tmp_path)
    assert sorted(p.file for p in found) == ["evil\\u202egpj.go", "new\\nline.go"]


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.go")).write_bytes(MAIN)
    assert "UTF-8" in refused(tmp_path)[0].text.en


def test_ten_thousand_files_are_too_many(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"f{number}.go").touch()
    [problem] = refused(tmp_path)
    assert "too many files" in problem.text.en


def test_one_file_and_all_files_have_a_limit() -> None:
    with pytest.raises(BadSubmission) as caught:
        submission.from_files({"main.go": b"x" * (submission.MAX_FILE_BYTES + 1)})
    assert caught.value.problems[0].text.en == "the file exceeds 256 KiB"
    many = {f"f{n}.go": b"x" * submission.MAX_FILE_BYTES for n in range(5)}
    with pytest.raises(BadSubmission) as caught:
        submission.from_files(many)
    assert caught.value.problems[0].text.en == "all files together exceed 1024 KiB"


def test_the_digest_tells_names_and_contents_apart() -> None:
    digests = {
        Submission(files).digest() for files in ({"a": b"bc"}, {"ab": b"c"}, {"a": b"b", "c": b""}, {})
    }
    assert len(digests) == 4


@given(st.dictionaries(st.text(max_size=300), st.binary(max_size=300), max_size=5))
def test_whatever_is_handed_in_is_taken_or_refused_in_both_languages(files: dict[str, bytes]) -> None:
    problems: list[submission.Problem] = []
    names: list[str] = []
    try:
        names = list(submission.accept(LAB, submission.from_files(files)).files)
    except BadSubmission as bad:
        problems = bad.problems
    assert bool(problems) != bool(names)
    assert all(p.text.zh and p.text.en and p.file.isprintable() for p in problems)
    assert all(not name.startswith("/") and ".." not in name.split("/") for name in names)


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 255_000,
        " " * 255_000 + "x",
        '"C"' + " " * 255_000 + "x",
        "import " * 36_000,
        "import" + "\n" * 250_000,
        "_ " * 120_000,
        ('"C"' + " " * 500) * 500,
        "//go:embed" + " " * 250_000,
        "//go:embed " * 22_000,
    ],
    ids=range(9),
)
def test_the_largest_file_is_looked_at_in_no_time(text: str) -> None:
    content = f"package main\n{text}\nfunc main() {{}}\n".encode()
    begun = time.process_time()
    with contextlib.suppress(BadSubmission):
        submission.accept(LAB, submission.from_files({"main.go": content}))
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "line",
    [
        'import "C"',
        'import _ "C"',
        '  import  .  "C" // x',
        'import (\n\t"C"\n)',
        'import\n\n"C"',
        '"C" /* x */ ;',
    ],
)
def test_cgo_is_told_however_it_is_written(line: str) -> None:
    [problem] = problems_of({"main.go": f"package main\n{line}\nfunc main() {{}}\n".encode()})
    assert 'import "C" is not accepted' in problem.text.en
