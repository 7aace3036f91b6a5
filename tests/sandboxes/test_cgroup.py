"""Cgroups of both versions. What this machine does not have is a folder that looks like it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.keeper import cgroup
from sandboxes.keeper.linux import start_time
from tests.sandboxes.machine import await_true

_UNIFIED = Path("/sys/fs/cgroup/unified")
_LIMITS = {"memory": 64 << 20, "processes": 20, "cpus": 0.5}


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root that looks like version 2."""
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    for folder in (tmp_path, tmp_path / cgroup.PARENT):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.subtree_control").write_text("")
    return tmp_path


def _name() -> str:
    return f"test-{secrets.token_hex(4)}.{os.getpid()}.{start_time(os.getpid())}"


def test_version_2_writes_its_limits(second: Path) -> None:
    assert cgroup.version() == 2
    group = cgroup.Cgroup(_name())
    group.create(**_LIMITS)
    folder = second / cgroup.PARENT / group.name
    written = {p.name: p.read_text() for p in folder.iterdir()}
    assert written == {
        "memory.max": str(64 << 20),
        "memory.swap.max": "0",
        "pids.max": "20",
        "cpu.max": "50000 100000",
    }
    for parent in (second, second / cgroup.PARENT):
        assert (parent / "cgroup.subtree_control").read_text() == "+cpu"


def test_version_2_puts_all_jails_behind_the_site(second: Path) -> None:
    weight = second / cgroup.PARENT / "cpu.weight"
    weight.write_text("100\n")
    cgroup.Cgroup(_name()).create(**_LIMITS)
    assert int(weight.read_text()) < 100 / 5


@pytest.mark.system
def test_jails_get_the_processor_last() -> None:
    """One that computes, against one of ours that does, both on the same processor."""
    group = cgroup.Cgroup(_name())
    group.create(memory=64 << 20, processes=20, cpus=1.0)
    both = [subprocess.Popen(["/usr/bin/perl", "-e", "1 while 1"]) for _ in range(2)]
    try:
        for process in both:
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        for folder in group.folders.values():
            (folder / "cgroup.procs").write_text(str(both[0].pid))
        before = [_processor_seconds(process.pid) for process in both]
        await_true(
            lambda: _processor_seconds(both[1].pid) - before[1] > 1.0, 30, "ours has computed for a second"
        )
        jailed = _processor_seconds(both[0].pid) - before[0]
        assert jailed < 0.5
    finally:
        for process in both:
            process.kill()
            process.wait()
        group.remove()


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_version_2_reads_what_was_used(second: Path) -> None:
    group = cgroup.Cgroup(_name())
    group.create(**_LIMITS)
    folder = second / cgroup.PARENT / group.name
    (folder / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    (folder / "memory.peak").write_text("4096\n")
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n")
    assert (group.cpu_seconds(), group.memory_peak(), group.out_of_memory()) == (1.5, 4096, True)
    (folder / "memory.events").write_text("oom 1\noom_kill 0\n")
    assert not group.out_of_memory()


def test_version_2_without_the_controllers_is_none(second: Path) -> None:
    (second / "cgroup.controllers").write_text("cpuset cpu\n")
    assert cgroup.version() == 0


def test_version_2_makes_room_in_a_container(second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the root has processes, and the kernel answers EBUSY until they have been moved."""
    (second / "cgroup.type").write_text("domain\n")
    (second / "cgroup.procs").write_text("17\n18\n")
    moved: list[str] = []
    plain = cgroup._write

    def kernel(path: Path, value: object) -> None:
        if path.name == "cgroup.procs":
            assert path.parent == second / "lastmile.others"
            moved.append(str(value))
            return
        if path == second / "cgroup.subtree_control" and "memory" in str(value) and len(moved) < 2:
            raise OSError(16, "busy")
        plain(path, value)

    monkeypatch.setattr(cgroup, "_write", kernel)
    cgroup.Cgroup(_name()).create(**_LIMITS)
    assert moved == ["17", "18"]


def test_a_limit_that_the_kernel_refuses_is_an_error(second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = cgroup._write

    def kernel(path: Path, value: object) -> None:
        if path.name == "memory.max":
            raise PermissionError(13, "refused")
        plain(path, value)

    monkeypatch.setattr(cgroup, "_write", kernel)
    with pytest.raises(PermissionError):
        cgroup.Cgroup(_name()).create(**_LIMITS)


def test_version_1_with_two_controllers_in_one_hierarchy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    for controller in ("memory", "pids", "cpu,cpuacct", "freezer"):
        (tmp_path / controller).mkdir()
    for name in ("cpu", "cpuacct"):
        (tmp_path / name).symlink_to("cpu,cpuacct")
    assert cgroup.version() == 1
    group = cgroup.Cgroup(_name())
    group.create(**_LIMITS)
    assert (tmp_path / "memory" / cgroup.PARENT / group.name / "memory.limit_in_bytes").read_text() == str(
        64 << 20
    )
    assert (tmp_path / "cpu,cpuacct" / cgroup.PARENT / group.name / "cpu.cfs_quota_us").read_text() == "50000"
    # real cgroups are removed with what the kernel shows in them
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        path.unlink()
    group.remove()
    assert not list(tmp_path.glob(f"*/{cgroup.PARENT}"))


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[cgroup.Cgroup]:
    """A real cgroup: of the machine's own version, or of the unified hierarchy beside version 1."""
    if request.param == 2 and cgroup.version() == 1:
        if not (_UNIFIED / "cgroup.procs").exists():
            pytest.skip("no unified hierarchy beside version 1")
        monkeypatch.setattr(cgroup, "ROOT", _UNIFIED)
        # every controller belongs to version 1 there: no limits, but processes, freezing, killing and accounts
        monkeypatch.setattr(cgroup, "version", lambda: 2)
        monkeypatch.setattr(cgroup, "_hand_down", lambda parent: None)
        made = cgroup.Cgroup(_name())
        made._make(made.folders[""])
    elif request.param == cgroup.version():
        made = cgroup.Cgroup(_name())
        made.create(**_LIMITS)
    else:
        pytest.skip(f"needs cgroup version {request.param}")
    yield made
    made.remove()
    assert not any(folder.exists() for folder in made.folders.values())


@pytest.mark.system
@pytest.mark.parametrize("group", [1, 2], indirect=True)
def test_processes_in_it_are_seen_frozen_and_killed(group: cgroup.Cgroup) -> None:
    process = subprocess.Popen(
        ["/usr/bin/perl", "-e", "<STDIN>; fork; fork; 1 while 1"], stdin=subprocess.PIPE
    )
    for folder in group.folders.values():
        (folder / "cgroup.procs").write_text(str(process.pid))
    assert process.stdin is not None
    process.stdin.close()
    await_true(lambda: len(group.pids()) == 4, 5, "four processes")
    await_true(lambda: group.cpu_seconds() > 0.05, 5, "processor time is counted")
    group.freeze(True)
    await_true(lambda: _stands_still(group), 5, "frozen processes use no time")
    group.kill()
    assert group.pids() == []
    assert process.wait(5) == -signal.SIGKILL


def _stands_still(group: cgroup.Cgroup) -> bool:
    before = group.cpu_seconds()
    time.sleep(0.1)
    return group.cpu_seconds() - before < 0.005


@pytest.mark.system
@pytest.mark.parametrize("group", [1, 2], indirect=True)
def test_one_without_its_keeper_is_found(group: cgroup.Cgroup) -> None:
    assert group.name not in {g.name for g in cgroup.left_behind()}
    dead = cgroup.Cgroup(f"{group.name.partition('.')[0]}.4999999.1")
    for folder in dead.folders.values():
        dead._make(folder)
    try:
        assert dead.name in {g.name for g in cgroup.left_behind()}
    finally:
        dead.remove()


def test_the_folder_of_all_may_go_while_it_is_looked_at(
    second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: Path) -> Iterator[Path]:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "iterdir", gone)
    assert list(cgroup.left_behind()) == []
