"""However a jail ends, nothing of it is left: no process, no cgroup."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandboxes import reaper
from sandboxes.interface import StartFailed
from sandboxes.jail import Process, run, start
from sandboxes.keeper import uids
from tests.sandboxes.attacks import begin, perl, sh, tight
from tests.sandboxes.machine import await_true, cgroup_parents, cgroups, processes

pytestmark = pytest.mark.system

# a daemon by the book: new session, second fork, no descriptor left open, no signal heard
_DAEMON = """
use POSIX; $| = 1;
for (1 .. 3) { next if fork; setsid; exit if fork; POSIX::close($_) for 0 .. 64; $SIG{$_} = "IGNORE" for keys %SIG;
    exec { "/bin/sleep" } $ARGV[0], "300" }
select undef, undef, undef, 0.2; print "left";
"""


@pytest.fixture
def word() -> str:
    """Stands in the command line of what a test starts."""
    return f"lm-test-{secrets.token_hex(6)}"


def _sleeper(word: str) -> Process:
    return begin(
        perl(
            "$| = 1; print 'ready'; $0 = $ARGV[0]; fork; fork; sleep 300", word, limits=tight(wall_seconds=0)
        )
    )


def test_a_daemon_that_was_left_behind_is_ended(word: str) -> None:
    process = start(perl(_DAEMON, word))
    result = process.wait(15)
    assert result is not None
    assert result.output == b"left"
    assert not processes(word)
    assert not cgroups(process.id)


def test_what_forks_while_it_is_killed_is_ended(word: str) -> None:
    process = begin(perl("$0 = $ARGV[0]; $| = 1; print 'ready'; while (1) { fork or $0 = $ARGV[0] }", word))
    process.kill()
    assert not processes(word)
    assert not cgroups(process.id)


def test_the_keeper_is_killed(word: str) -> None:
    process = _sleeper(word)
    await_true(lambda: len(processes(word)) >= 4, 10, "all processes of the jail are up")
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(StartFailed, match="keeper was killed"):
        process.wait(10)
    await_true(lambda: not processes(word), 5, "bubblewrap dies with its keeper")
    reaper.sweep()
    await_true(lambda: not cgroups(process.id), 5, "the reaper has removed the cgroup")


def test_the_reaper_ends_what_runs_in_a_cgroup_without_a_keeper(word: str) -> None:
    process = _sleeper(word)
    stray = subprocess.Popen(["/bin/sleep", "300"])
    (name,) = cgroups(process.id)
    for procs in Path("/sys/fs/cgroup").glob(f"**/lastmile/{name}/cgroup.procs"):
        procs.write_text(str(stray.pid))
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(StartFailed):
        process.wait(10)
    reaper.sweep()
    assert stray.wait(10) == -signal.SIGKILL
    await_true(lambda: not cgroups(process.id), 5, "the cgroup is removed")


def test_the_reaper_leaves_what_lives(word: str) -> None:
    process = _sleeper(word)
    try:
        assert not [name for name in reaper.sweep() if process.id in name]
        assert process.running
        assert cgroups(process.id)
    finally:
        process.kill()


def test_the_caller_is_killed(word: str) -> None:
    script = f"""
import sys
from tests.sandboxes import test_jail_ends
process = test_jail_ends._sleeper({word!r})
print(process.id, flush=True)
sys.stdin.read()
"""
    with _python(script) as caller:
        assert caller.stdout is not None
        name = caller.stdout.readline().decode().strip()
        assert cgroups(name)
        caller.kill()
    await_true(lambda: not processes(word) and not cgroups(name), 10, "the keeper cleans up after its caller")


def test_the_caller_ends_without_a_word(word: str) -> None:
    script = f"from tests.sandboxes import test_jail_ends; test_jail_ends._sleeper({word!r})"
    with _python(script) as caller:
        assert caller.wait(20) == 0
    await_true(lambda: not processes(word), 10, "the keeper cleans up after its caller")


def _python(script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


def test_a_jail_that_cannot_be_made_leaves_nothing() -> None:
    process = start(sh("true", network="/nonexistent"))
    with pytest.raises(StartFailed, match="FileNotFoundError"):
        process.wait(10)
    assert not cgroups(process.id)


def test_the_folder_of_all_cgroups_goes_with_the_last() -> None:
    run(sh("true"))
    # others on this machine may have jails, or be about to; then the folder is theirs
    await_true(lambda: not any(map(_is_empty, cgroup_parents())), 10, "the folder is gone, or somebody's")


def _is_empty(folder: Path) -> bool:
    try:
        return not any(p.is_dir() for p in folder.iterdir())
    except FileNotFoundError:
        return False


def test_a_uid_is_free_again_when_its_jail_has_ended() -> None:
    take = "from sandboxes.keeper import uids; print(uids.take(), flush=True); input()"
    with _python(take) as one, _python(take) as two:
        assert one.stdout is not None
        assert two.stdout is not None
        taken = [int(one.stdout.readline()), int(two.stdout.readline())]
        assert len(set(taken)) == 2
        assert all(uids.FIRST <= uid < uids.FIRST + uids.COUNT for uid in taken)
        one.kill()
        two.kill()
