"""Whose doing it is that a machine is gone, by what its console says."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.harness.evidence import why_lost
from sandboxes.interface import Handle
from sandboxes.vm.errors import Gone, GuestError, Malformed, Silent


def machine(folder: Path, console: str | None = "") -> Handle:
    if console is not None:
        (folder / "console.log").write_text(console)
    return Handle("vm", "vm-1", "boot", {"dir": str(folder)})


def never() -> bool:
    """The emulator ended badly."""
    return False


@pytest.mark.parametrize(
    ("console", "said"),
    [
        ("[   12.3] reboot: Power down\n", "powered the machine off"),
        ("[   12.3] reboot: Restarting system\n", "restarted the machine"),
        ("[   12.3] Kernel panic - not syncing: sysrq triggered crash\n", "crash through sysrq"),
        ("[   12.3] Kernel panic - not syncing: Attempted to kill init! exitcode=0x9\n", "process 1"),
        ("[   12.3] Kernel panic - not syncing: Fatal exception\n", "kernel panicked"),
        ("[   12.3] Kernel panic - not syncing: System is deadlocked on memory\n", "kernel panicked"),
    ],
)
def test_what_the_kernel_said_last_decides(console: str, said: str, tmp_path: Path) -> None:
    lost = why_lost(machine(tmp_path, console), Gone("closed"), started=True, off=never)
    assert not lost.ours
    assert said in lost.text.en
    assert console.strip() in lost.log


@pytest.mark.parametrize(
    ("error", "said"), [(Malformed("x"), "other than the agent"), (Silent("x"), "stopped answering")]
)
def test_an_agent_that_was_disturbed_is_the_learners(error: GuestError, said: str, tmp_path: Path) -> None:
    lost = why_lost(machine(tmp_path), error, started=True, off=never)
    assert not lost.ours
    assert said in lost.text.en


def test_a_machine_that_ended_without_a_word_is_ours(tmp_path: Path) -> None:
    assert why_lost(machine(tmp_path), Gone("closed"), started=True, off=never).ours
    assert why_lost(machine(tmp_path, None), Gone("closed"), started=True, off=never).ours


def test_a_lockup_that_the_watchdog_reports_has_ended_nothing(tmp_path: Path) -> None:
    console = "[   80.1] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [tracer:93]\n"
    assert why_lost(machine(tmp_path, console), Gone("closed"), started=True, off=never).ours
    console += "[   81.0] BUG: unable to handle page fault for address: ffff\n"
    assert not why_lost(machine(tmp_path, console), Gone("closed"), started=True, off=never).ours


@pytest.mark.parametrize("error", [Gone("x"), Silent("x"), Malformed("x")])
def test_before_the_learners_program_it_is_always_ours(error: GuestError, tmp_path: Path) -> None:
    assert why_lost(machine(tmp_path, "reboot: Power down"), error, started=False, off=never).ours


def test_a_console_that_was_silenced_hides_no_power_off(tmp_path: Path) -> None:
    lost = why_lost(machine(tmp_path), Gone("closed"), started=True, off=lambda: True)
    assert not lost.ours
    assert "without a word on the console" in lost.text.en
    assert why_lost(machine(tmp_path), Gone("closed"), started=False, off=lambda: True).ours
