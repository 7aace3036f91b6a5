"""Each limit of a jail, and a program that breaks it."""

from __future__ import annotations

import resource
import time

import pytest

from sandboxes.interface import StartFailed
from sandboxes.jail import MIB, Command, run, start
from tests.sandboxes.attacks import begin, broke, perl, said, sh, tight
from tests.sandboxes.machine import cgroups

pytestmark = pytest.mark.system


def test_it_works() -> None:
    result = run(sh("echo out; echo err >&2; exit 7"))
    assert (result.exit_code, result.stopped_by, result.output) == (7, "", b"out\nerr\n")
    assert 0 < result.seconds < 10
    assert result.memory_peak_bytes > 0


def test_it_hands_over_files_input_and_environment() -> None:
    command = sh("cat; cat a/b; echo $WORD", files={"a/b": b"file\n"}, env={"WORD": "word"})
    assert run(command, stdin=b"input\n").output == b"input\nfile\nword\n"


def test_a_fork_bomb_gets_no_more_processes_than_it_may_have() -> None:
    count = "my $n = 0; while (defined(my $p = fork)) { if (!$p) { sleep 60; exit } $n++ } print $n"
    assert 20 < int(said(perl(count, limits=tight(processes=40)))) < 40


def test_a_fork_bomb_is_gone_after_its_time() -> None:
    process = start(perl("fork while 1", limits=tight(wall_seconds=1)))
    result = process.wait(15)
    assert result is not None
    assert broke(result, "wall")
    assert result.seconds < 5
    assert not cgroups(process.id)


def test_a_memory_bomb() -> None:
    result = run(perl('my @x; push @x, "x" x 1_000_000 while 1', limits=tight(memory_bytes=64 * MIB)))
    assert broke(result, "memory")
    assert 32 * MIB < result.memory_peak_bytes <= 64 * MIB


def test_files_count_as_memory() -> None:
    limits = tight(memory_bytes=64 * MIB, disk_bytes=512 * MIB)
    assert broke(run(sh("cat /dev/zero > /work/x; cat /dev/zero > /tmp/y", limits=limits)), "memory")


def test_the_disk_is_full_when_it_is_full() -> None:
    fill = "for d in /work /tmp; do for i in 1 2 3; do head -c 4194304 /dev/zero > $d/$i; done; done; du -sm /work /tmp"
    output = said(sh(fill, limits=tight(disk_bytes=16 * MIB)))
    assert "No space left on device" in output
    used = sum(int(line.split()[0]) for line in output.splitlines() if line.endswith(("/work", "/tmp")))
    assert 12 <= used <= 18


def test_inodes_run_out_before_memory_does() -> None:
    output = said(perl('my $n = 0; $n++ while open(my $f, ">", "/work/$n"); print "$n $!"'))
    count, _, why = output.partition(" ")
    assert why == "No space left on device"
    assert int(count) < 20_000


def test_one_file_is_no_larger_than_the_disk() -> None:
    result = run(sh("head -c 64M /dev/zero > /work/x", limits=tight(disk_bytes=4 * MIB)))
    assert result.exit_code not in (0, None)


def test_an_endless_loop_ends_with_its_processor_time() -> None:
    result = run(sh("while :; do :; done", limits=tight(cpu_seconds=0.5)))
    assert broke(result, "cpu")
    assert 0.5 <= result.cpu_seconds < 2


def test_processor_time_is_counted_over_all_processes() -> None:
    loops = "for i in 1 2 3 4; do (while :; do :; done) & done; wait"
    assert broke(run(sh(loops, limits=tight(cpu_seconds=0.5))), "cpu")


def test_it_gets_its_share_of_the_processors_and_no_more() -> None:
    result = run(sh("while :; do :; done", limits=tight(cpus=0.2, wall_seconds=1.5)))
    assert result.stopped_by == "wall"
    assert result.cpu_seconds < 0.2 * result.seconds + 0.15


def test_a_sleeper_ends_with_its_time() -> None:
    result = run(sh("sleep 60", limits=tight(wall_seconds=0.3)))
    assert broke(result, "wall")
    assert 0.3 <= result.seconds < 3


def test_endless_output() -> None:
    result = run(sh("yes", limits=tight(output_bytes=300_000)))
    assert broke(result, "output")
    assert len(result.output) == 300_000


def test_a_line_of_a_gigabyte_costs_us_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    got = 0

    def listen(part: bytes) -> None:
        nonlocal got
        got += len(part)

    process = start(
        sh("head -c 1G /dev/zero", limits=tight(output_bytes=0, wall_seconds=60)), on_output=listen
    )
    result = process.wait(60)
    assert result is not None
    assert result.exit_code == 0
    assert got == 1 << 30
    assert len(result.output) == 64 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


def test_output_after_the_limit_is_not_handed_on() -> None:
    parts: list[bytes] = []
    run(sh("head -c 900000 /dev/zero", limits=tight(output_bytes=100_000)), on_output=parts.append)
    assert sum(map(len, parts)) == 100_000


def test_a_listener_that_fails_ends_the_command_and_is_named() -> None:
    def listen(part: bytes) -> None:
        raise ZeroDivisionError("listener")

    process = start(sh("yes", limits=tight(output_bytes=0)), on_output=listen)
    with pytest.raises(StartFailed, match="ZeroDivisionError"):
        process.wait(15)
    assert not cgroups(process.id)


def test_open_files_run_out() -> None:
    output = said(
        perl(
            'my @f; while (open(my $f, "<", "/dev/null")) { push @f, $f } print "$#f $!"',
            limits=tight(open_files=64),
        )
    )
    assert output.endswith("Too many open files")
    assert int(output.split()[0]) < 64


def test_stopping_itself_does_not_stop_the_clock() -> None:
    assert broke(run(sh("kill -STOP $$", limits=tight(wall_seconds=0.5))), "wall")


def test_closing_its_output_does_not_stop_the_clock() -> None:
    result = run(perl("close STDOUT; close STDERR; sleep 60", limits=tight(wall_seconds=0.5)))
    assert broke(result, "wall")


def test_terminate_is_heard_however_early() -> None:
    process = start(Command(("/bin/sleep", "60"), limits=tight(), system=True))
    process.terminate()
    result = process.wait(10)
    assert result is not None
    assert result.exit_code == 128 + 15


def test_terminate_reaches_the_command_and_lets_it_finish() -> None:
    process = begin(sh("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"))
    process.terminate()
    result = process.wait(10)
    assert result is not None
    assert (result.exit_code, result.output) == (3, b"ready\nbye\n")


def test_interrupt_is_not_terminate() -> None:
    process = begin(sh("trap 'exit 4' INT; trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"))
    process.interrupt()
    result = process.wait(10)
    assert result is not None
    assert result.exit_code == 4


def test_who_ignores_sigterm_is_killed() -> None:
    process = begin(sh("trap '' TERM; echo ready; while :; do sleep 0.05; done"))
    process.terminate()
    assert process.wait(0.3) is None
    process.kill()
    result = process.wait(0)
    assert result is not None
    assert broke(result, "closed")
    process.kill()


def test_a_frozen_jail_stands_still_and_can_be_killed() -> None:
    process = begin(sh("echo ready; i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"))
    process.freeze(True)
    # one word at most is under way when the freeze has been answered
    time.sleep(0.2)
    before = process.output()
    time.sleep(0.3)
    assert process.output() == before
    process.terminate()
    process.freeze(False)
    result = process.wait(10)
    assert result is not None
    assert result.exit_code == 128 + 15


def test_killing_a_frozen_jail() -> None:
    process = begin(sh("echo ready; sleep 60"))
    process.freeze(True)
    process.kill()
    result = process.wait(0)
    assert result is not None
    assert broke(result, "closed")
    assert not cgroups(process.id)


def test_a_command_that_is_not_there_is_not_our_fault() -> None:
    result = run(Command(("/nothing/here",), limits=tight()))
    assert result.exit_code not in (0, None)
    assert b"/nothing/here" in result.output


_FILL = """
use Socket; use Fcntl; my (@kept, $total); my $x = "x" x 65536;
sub fill { my $s = shift; fcntl($s, F_SETFL, O_NONBLOCK); for (1 .. 500) { my $n = syswrite($s, $x) or last; $total += $n } }
"""
_FILL_TCP = """
socket(my $l, PF_INET, SOCK_STREAM, 0); bind($l, sockaddr_in(0, INADDR_LOOPBACK)); listen($l, 900);
$SIG{ALRM} = sub { print $total; exit }; alarm 10;
for (1 .. 100) { socket(my $s, PF_INET, SOCK_STREAM, 0); connect($s, getsockname $l) or last; accept(my $c, $l) or last;
    push @kept, $s, $c; fill($s) }
print $total;
"""
_FILL_UNIX = (
    "for (1 .. 900) { socketpair(my $s, my $c, 1, 1, 0) or last; push @kept, $s, $c; fill($s) } print $total"
)


@pytest.mark.parametrize("script", [_FILL_TCP, _FILL_UNIX], ids=["tcp", "unix"])
def test_what_waits_in_sockets_counts_as_memory(script: str) -> None:
    result = run(perl(_FILL + script, limits=tight(memory_bytes=64 * MIB, open_files=2000)))
    assert result.stopped_by == "memory" or int(result.output) < 160 * MIB
