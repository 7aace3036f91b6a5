"""`lastmile doctor`: the remedy fits what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from labs.harness import doctor
from sandboxes.jail import Capabilities

WHOLE = Capabilities(
    root=True,
    own_uids=True,
    cgroup=2,
    user_namespaces=True,
    network_namespaces=True,
    seccomp=True,
    bubblewrap="/usr/bin/bwrap",
    overlay=True,
    broken="",
)
LIFT = "sysctl kernel.apparmor_restrict_unprivileged_userns=0"


Machine = Callable[[Capabilities, str | None], dict[str, doctor.Finding]]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Sets what the machine can do, and what AppArmor's switch says (None: there is none)."""

    def be(can: Capabilities, switch: str | None) -> dict[str, doctor.Finding]:
        file = tmp_path / "apparmor_restrict_unprivileged_userns"
        if switch is not None:
            file.write_text(switch)
        monkeypatch.setattr(doctor, "_APPARMOR", file)
        monkeypatch.setattr(doctor, "capabilities", lambda: can)
        return {found.name: found for found in doctor.examine()}

    return be


BROKEN = replace(WHOLE, broken="bwrap: setting up uid map: Permission denied")


def test_it_works(machine: Machine) -> None:
    found = machine(BROKEN, "1\n")["jail"]
    assert not found.ok
    assert found.needed
    assert found.remedy == LIFT
    assert "宿主机" in doctor.table([found], "zh")
    assert "on its host" in doctor.table([found], "en")
    assert f"→ {LIFT}" in doctor.table([found], "zh")


@pytest.mark.parametrize("switch", ["0\n", None])
def test_apparmor_is_not_blamed_where_it_lets_everybody(machine: Machine, switch: str | None) -> None:
    found = machine(BROKEN, switch)["jail"]
    assert not found.ok
    assert found.remedy == ""


def test_it_is_not_blamed_for_a_missing_program(machine: Machine) -> None:
    assert machine(replace(BROKEN, bubblewrap=""), "1\n")["jail"].remedy == ""


def test_a_jail_that_starts_needs_no_remedy(machine: Machine) -> None:
    assert machine(WHOLE, "1\n")["jail"].ok


@pytest.mark.parametrize(("switch", "remedy"), [("1", LIFT), (None, "sysctl user.max_user_namespaces=10000")])
def test_refused_user_namespaces_have_the_remedy_of_who_refuses(
    machine: Machine,
    switch: str | None,
    remedy: str,
) -> None:
    found = machine(replace(WHOLE, user_namespaces=False), switch)["user namespaces"]
    assert (found.ok, found.remedy) == (False, remedy)


def test_nothing_is_asked_of_docker(machine: Machine) -> None:
    """No provider uses it; whoever runs the site with it has it."""
    assert "docker" not in str(machine(WHOLE, None)).lower()
