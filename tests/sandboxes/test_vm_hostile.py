"""A learner's program is root in its guest. What it can do there, each on a real machine of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.interface import Spec
from sandboxes.vm import Client, VirtualMachine, VirtualMachineProvider
from sandboxes.vm.errors import Gone, GuestError, Refused
from sandboxes.vm.programs import OnOutput, Program
from tests.sandboxes.machine import await_true

pytestmark = pytest.mark.system


@pytest.fixture
def vm() -> Iterator[VirtualMachine]:
    sandbox = VirtualMachineProvider().start(Spec("vm"), lambda progress: None)
    yield sandbox
    sandbox.close()


@pytest.fixture
def guest(vm: VirtualMachine) -> Iterator[Client]:
    with vm.client() as client:
        yield client


def _shell(
    guest: Client,
    script: str,
    memory_bytes: int = 64 << 20,
    processes: int = 64,
    on_output: OnOutput | None = None,
) -> Program:
    return guest.start(
        ("/bin/sh", "-c", script), memory_bytes=memory_bytes, processes=processes, on_output=on_output
    )


def _evidence(vm: VirtualMachine, folder: Path) -> bytes:
    vm.collect(folder)
    return (folder / "console.log").read_bytes()


@pytest.mark.parametrize(
    ("script", "evidence"),
    [
        ("poweroff -f", b"reboot: Power down"),
        ("echo b > /proc/sysrq-trigger", b"sysrq: Resetting"),
        ("echo c > /proc/sysrq-trigger", b"Kernel panic - not syncing: sysrq triggered crash"),
    ],
    ids=["powers off", "restarts", "panics the kernel"],
)
def test_a_machine_that_is_ended_from_inside_is_gone(
    vm: VirtualMachine, guest: Client, tmp_path: Path, script: str, evidence: bytes
) -> None:
    program = _shell(guest, script)
    with pytest.raises(Gone):
        program.wait(20)
    with pytest.raises(Gone):
        guest.ping()
    await_true(lambda: not vm.standing(), 10, "the machine has ended")
    assert not vm.alive()
    assert evidence in _evidence(vm, tmp_path)


@pytest.mark.parametrize("script", ["kill -9 1", "kill -STOP 1", "kill -9 -1", "kill -SEGV 1; kill -ABRT 1"])
def test_the_agent_cannot_be_signalled_away(vm: VirtualMachine, guest: Client, script: str) -> None:
    assert _shell(guest, script).wait(20) is not None
    guest.ping()
    guest.close()
    assert vm.alive()


def test_forks_without_end_leave_the_agent_alone(guest: Client) -> None:
    heard = bytearray()
    program = _shell(guest, "f() { f | f & }; f; sleep 1000", on_output=heard.extend)
    await_true(lambda: b"can't fork" in heard, 20, "it is told that it may not")
    # at its limit it goes on trying, and each look is at another moment
    assert 32 < max(program.usage().processes for _ in range(50)) <= 64
    guest.ping()
    ended = program.kill()
    assert ended is not None
    assert (ended.code, ended.signal, ended.stopped_by) == (None, signal.SIGKILL, "")
    assert _shell(guest, "true").wait(20) is not None


def test_a_program_may_have_so_many_processes_and_no_more(guest: Client) -> None:
    heard = bytearray()
    script = "n=1; while sleep 1000 & do n=$((n + 1)); echo $n; done"
    ended = _shell(guest, script, on_output=heard.extend).wait(20)
    assert ended is not None
    # the shell gives up by itself; no limit of ours ended it
    assert (ended.code, ended.stopped_by) == (2, "")
    *numbers, last = heard.decode().splitlines()
    assert numbers == [str(n) for n in range(2, 65)]
    assert "can't fork" in last
    assert _shell(guest, "true").wait(20) is not None


def test_a_program_that_fills_the_memory_is_ended(guest: Client) -> None:
    ended = _shell(guest, "tail /dev/zero", memory_bytes=32 << 20).wait(30)
    assert ended is not None
    assert ended.stopped_by == "memory"
    # by its own limit: the guest's OOM killer is told in the same word
    assert ended.usage.memory_peak_bytes <= 32 << 20
    guest.ping()


def test_a_program_that_fills_a_folder_is_told_that_it_is_full(guest: Client) -> None:
    heard = bytearray()
    script = "dd if=/dev/zero of=/run/much bs=64k; wc -c < /run/much; exit 7"
    ended = _shell(guest, script, memory_bytes=24 << 20, on_output=heard.extend).wait(60)
    assert ended is not None
    assert (ended.code, ended.stopped_by) == (7, "")
    assert b"No space left on device" in heard
    assert heard.split()[-1] == b"%d" % (8 << 20)
    guest.ping()


@pytest.mark.parametrize("folder", ["/work", "/tmp", "/dev", "/"])
def test_what_a_program_writes_is_its_memory_and_it_is_ended_for_it(guest: Client, folder: str) -> None:
    """Each of these folders may hold more than the program's 24 MiB."""
    ended = _shell(guest, f"dd if=/dev/zero of={folder}/much bs=64k; exit 7", memory_bytes=24 << 20).wait(60)
    assert ended is not None
    assert (ended.code, ended.signal, ended.stopped_by) == (None, signal.SIGKILL, "memory")
    assert ended.usage.out_of_memory
    assert ended.usage.memory_peak_bytes <= 24 << 20
    guest.ping()


OK = "printf 'HTTP/1.1 200 OK\\r\\n"
TOO_LONG, TOO_LATE = (Refused, "exceeded 8192 bytes"), (GuestError, r"no answer|deadline exceeded")


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (f"{OK}\\r\\n'; yes 'a 1'", (Refused, "more than 524288 bytes")),
        (f"{OK}Content-Length: 9000000000000\\r\\n\\r\\n'; yes", (Refused, "more than 524288 bytes")),
        (f"{OK}\\r\\n'; while echo a 1; do sleep 0.1; done", TOO_LATE),
        (f"{OK}'; yes 'X-A: b'", TOO_LONG),
        (f"{OK}X-A: '; yes | tr -d '\\n'", TOO_LONG),
        (f"{OK}'; while echo 'X-A: b'; do sleep 0.1; done", TOO_LATE),
        ("while printf 'HTTP/1.1 103 Early Hints\\r\\n\\r\\n'; do :; done", TOO_LONG),
        ("sleep 1000", TOO_LATE),
    ],
    ids=[
        *("body", "announced body", "slow body", "headers", "one header", "slow headers"),
        *("interim answers", "no answer"),
    ],
)
def test_an_answer_without_end_is_ended_in_time_and_takes_little_memory(
    guest: Client, answer: str, refusal: tuple[type[GuestError], str]
) -> None:
    server = _shell(guest, f"({answer}) | nc -l -p 9100")
    await_true(lambda: ":9100 " in _said(guest, "netstat -ltn"), 20, "it listens")
    # resets the peak (man 5 proc_pid_clear_refs); before, there was the boot
    before = _agent_peak(guest, "echo 5 > /proc/1/clear_refs")
    (error, words), begun = refusal, time.monotonic()
    timeout = 2.0 if refusal is TOO_LATE else 20.0
    with pytest.raises(error, match=words):
        guest.http_get("http://127.0.0.1:9100/metrics", limit=512 << 10, timeout=timeout)
    assert time.monotonic() - begun < timeout + 5
    assert _agent_peak(guest) - before < 8 << 20
    assert server.kill() is not None


def _said(guest: Client, script: str) -> str:
    heard = bytearray()
    assert _shell(guest, script, on_output=heard.extend).wait(20) is not None
    return heard.decode()


def _agent_peak(guest: Client, first: str = ":") -> int:
    return int(_said(guest, f"{first}; awk '/VmHWM/ {{print $2}}' /proc/1/status")) << 10


def test_a_full_folder_refuses_and_goes_on(guest: Client) -> None:
    assert (
        _shell(guest, "mount -o remount,size=1m /work; dd if=/dev/zero of=/work/full bs=64k").wait(60)
        is not None
    )
    with pytest.raises(Refused, match="no space"):
        guest.put_bytes("more", bytes(100_000))
    guest.ping()


def test_the_agents_port_cannot_be_opened_a_second_time(guest: Client) -> None:
    heard = bytearray()
    script = "ls /dev/vport*; for p in /dev/vport* /proc/1/fd/*; do echo lmvm > $p; done; cat /dev/vport0p1"
    program = guest.start(("/bin/sh", "-c", script), on_output=heard.extend)
    assert program.wait(20) is not None
    assert b"/dev/vport0p1" in heard
    assert b"busy" in heard
    guest.ping()


def test_what_it_writes_to_the_console_is_bounded(vm: VirtualMachine, guest: Client, tmp_path: Path) -> None:
    program = _shell(
        guest, "yes 'a line of noise' | head -c 400000 > /dev/console; echo the end > /dev/console"
    )
    assert program.wait(60) is not None
    await_true(lambda: b"the end" in _evidence(vm, tmp_path), 10, "its last words are kept")
    assert len(_evidence(vm, tmp_path)) <= 128 << 10


def test_a_machine_that_hangs_is_ended(vm: VirtualMachine) -> None:
    process = vm._process
    assert process is not None
    # as if its processor had stopped: nobody told the sandbox, as freeze() would
    process.freeze(True)
    assert not vm.alive()
    assert not vm.standing()
    assert not vm.alive()


def test_a_frozen_machine_is_not_taken_for_one_that_hangs(vm: VirtualMachine) -> None:
    vm.freeze(True)
    assert vm.standing()
    assert not vm.alive()
    assert vm.standing()
    vm.freeze(False)
    assert vm.alive()


def test_a_machine_that_somebody_speaks_with_is_alive(vm: VirtualMachine, guest: Client) -> None:
    assert vm.alive()
    with pytest.raises(GuestError, match="another client"):
        vm.client(timeout=0.05)
    guest.ping()
