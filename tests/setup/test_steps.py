"""The order of steps, and what is left of a set-up that was killed."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandboxes.setup import runner
from sandboxes.setup.step import Say, SetupError


@dataclass
class Touch:
    """Makes one file."""

    path: Path
    error: str = ""
    ran: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.name

    def done(self) -> bool:
        return self.path.exists()

    def run(self, say: Say) -> None:
        self.ran.append(self.name)
        if self.error == "lies":
            return
        if self.error:
            raise SetupError(self.error, "try again")
        say("touching")
        self.path.touch()


def test_it_works(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    steps = [Touch(tmp_path / name) for name in "abc"]
    out = io.StringIO()
    assert runner.run(steps, runner.Console(out)) == 2
    assert [step.ran for step in steps] == [["a"], [], ["c"]]
    lines = out.getvalue().splitlines()
    assert lines[0] == "[1/3] a …"
    assert lines[1].startswith("[1/3] a: done in ")
    assert lines[2] == "[3/3] c …"


def test_a_failure_names_its_step_and_keeps_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="a: no disk") as caught:
        runner.run([Touch(tmp_path / "a", "no disk"), Touch(tmp_path / "b")], runner.Console(io.StringIO()))
    assert caught.value.remedy == "try again"
    assert not (tmp_path / "b").exists()


def test_what_can_be_spared_is_left_out_with_what_builds_upon_it(tmp_path: Path) -> None:
    broken = Touch(tmp_path / "b", "no such kernel")
    first, upon, beside, above, last = (Touch(tmp_path / name) for name in "acdef")
    out = io.StringIO()
    spare = {"b": {"a"}, "c": {"b"}, "d": {"a"}, "e": {"c", "d"}}
    assert runner.run([first, broken, upon, beside, above, last], runner.Console(out), spare) == 3
    assert "[2/6] b: left out. no such kernel\n    to have it: try again\n" in out.getvalue()
    assert (upon.ran, above.ran) == ([], [])
    assert beside.done()
    assert last.done()


def test_what_stands_is_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "c").touch()
    steps = [Touch(tmp_path / "b", "no such kernel"), Touch(tmp_path / "c"), Touch(tmp_path / "d")]
    assert runner.run(steps, runner.Console(io.StringIO()), {"b": (), "c": ("b",), "d": ("c",)}) == 1


def test_a_step_that_ran_without_a_result_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="its result is not there"):
        runner.run([Touch(tmp_path / "a", "lies")], runner.Console(io.StringIO()))


def test_two_set_ups_wait_for_each_other(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = f"""
        from pathlib import Path
        from sandboxes.setup import runner
        with runner.alone(Path({str(lock)!r}), runner.Console()):
            Path({str(tmp_path / "in")!r}).touch()
    """
    with runner.alone(lock, runner.Console(io.StringIO())):
        other = _python(code)
        assert other.stdout
        assert f"process {os.getpid()}" in other.stdout.readline()
        assert not (tmp_path / "in").exists()
    assert other.wait(10) == 0
    assert (tmp_path / "in").exists()


KILLED = """
    import sys
    from pathlib import Path
    from sandboxes.setup import command, runner
    from sandboxes.setup.stamps import part_of

    final = Path(sys.argv[1])

    def tell(line):
        print(line, flush=True)

    class Slow:
        name = "slow"
        def done(self):
            return final.exists()
        def run(self, say):
            part = part_of(final)
            part.write_bytes(b"half")
            if sys.argv[2] == "block":
                # a program like go build: says its pid, then works for as long as it is let
                command.run(["sh", "-c", "echo pid $$; exec sleep 600"], log="slow", on_line=tell)
            part.write_bytes(b"whole")
            part.replace(final)

    with runner.alone(final.with_name("lock"), runner.Console()):
        runner.run([Slow()], runner.Console())
"""


def test_kill_9_in_the_middle_leaves_nothing_that_looks_done(tmp_path: Path, cache: Path) -> None:
    final = tmp_path / "result"
    first = _python(KILLED, str(final), "block")
    assert first.stdout
    child = next(int(line.split()[1]) for line in first.stdout if line.startswith("pid "))
    pidfd = os.pidfd_open(child)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    assert not final.exists()
    _wait_for_end(pidfd)

    again = _python(KILLED, str(final), "go on")
    assert again.wait(10) == 0
    assert final.read_bytes() == b"whole"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def _python(code: str, *args: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", textwrap.dedent(code), *args]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def _wait_for_end(pidfd: int) -> None:
    """A pidfd becomes readable when its process has ended."""
    import select

    try:
        assert select.select([pidfd], [], [], 10)[0], "the set-up's program outlived it"
    finally:
        os.close(pidfd)
