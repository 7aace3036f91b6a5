"""The folders of sandboxes and the names of cgroups say who owns them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes import folders, reaper
from sandboxes.keeper import cgroup
from sandboxes.keeper.linux import start_time

_OURS = {"pid": os.getpid(), "start_time": start_time(os.getpid()), "boot_id": folders.boot_id()}
# above every pid that the kernel can give
_NOBODY = 5_000_000


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LASTMILE_RUN", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _no_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps of these tests look at folders only."""
    monkeypatch.setattr(cgroup, "left_behind", lambda: iter(()))


def _write_owner(run_dir: Path, name: str, text: str) -> Path:
    folder = run_dir / "sandboxes" / "thing" / name
    folder.mkdir(parents=True)
    (folder / "owner").write_text(text)
    return folder


def test_it_works(run_dir: Path) -> None:
    folder = folders.create("thing", "one")
    (entry,) = folders.find("thing")
    assert (entry.kind, entry.id, entry.path, entry.owner_alive) == ("thing", "one", folder, True)
    assert entry.boot_id == folders.boot_id()
    folders.remove(folder)
    assert not list(folders.find("thing"))
    folders.remove(folder)


def test_only_its_owner_may_look_into_it(run_dir: Path) -> None:
    assert folders.create("thing", "one").stat().st_mode & 0o777 == 0o700


def test_two_of_one_name_are_refused(run_dir: Path) -> None:
    folders.create("thing", "one")
    with pytest.raises(OSError):
        folders.create("thing", "one")


def test_the_owner_has_ended(run_dir: Path) -> None:
    script = "from sandboxes import folders; print(folders.create('thing', 'theirs'))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True, capture_output=True
    )
    left = Path(done.stdout.decode().strip())
    (left / "audit.log").write_text("x")
    kept = folders.create("thing", "ours")
    assert reaper.sweep() == ["thing theirs"]
    assert kept.is_dir()
    assert not left.exists()


@pytest.mark.parametrize(
    "owner",
    [
        {**_OURS, "pid": _NOBODY},
        {**_OURS, "pid": _NOBODY, "start_time": ""},
        {**_OURS, "start_time": "1"},
        {**_OURS, "boot_id": "another boot"},
        {**_OURS, "pid": "self/../1"},
        {"pid": os.getpid()},
        [],
        None,
        7,
    ],
)
def test_an_owner_that_is_not_there_is_dead(run_dir: Path, owner: object) -> None:
    folder = _write_owner(run_dir, "left", json.dumps(owner))
    assert reaper.sweep() == ["thing left"]
    assert not folder.exists()


def test_one_that_was_never_finished_goes_with_its_maker(run_dir: Path) -> None:
    dead = _write_owner(run_dir, f".half.{_NOBODY}.123", "")
    living = _write_owner(run_dir, f".half.{_OURS['pid']}.{_OURS['start_time']}", "")
    reaper.sweep()
    assert not dead.exists()
    assert living.exists()


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
def test_no_owner_file_stops_the_reaper(text: str) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LASTMILE_RUN", name)
        folder = _write_owner(Path(name), "left", "")
        (folder / "owner").write_bytes(text.encode("utf-8", "surrogatepass"))
        (entry,) = folders.find("thing")
        assert not entry.owner_alive


@given(
    st.text(alphabet="abcxyz0123456789-", min_size=1, max_size=40),
    st.integers(1, 9_999_999),
    st.integers(0, 10**15),
)
def test_a_cgroup_s_name_is_read_as_it_was_written(id_: str, pid: int, started: int) -> None:
    assert cgroup.keeper_of(f"{id_}.{pid}.{started}") == (pid, str(started))


@given(st.text(max_size=60))
def test_no_name_of_a_cgroup_is_misread(name: str) -> None:
    found = cgroup.keeper_of(name)
    if found is not None:
        assert name.endswith(f".{found[1]}")
        assert name.isascii() or not name.rpartition(".")[0].rpartition(".")[2].strip("0123456789")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "lastmile",
        "a.b",
        "a.1",
        "a.1.",
        ".1.1",
        "a.².1",
        "a.1.-1",
        "a.1.1\n",
        "a/b.1.1",
        "a.99999999999.1",
    ],
)
def test_other_names_belong_to_nobody(name: str) -> None:
    assert cgroup.keeper_of(name) is None


def test_what_a_process_leaves_at_its_end_goes_and_nothing_else() -> None:
    mine = folders.create("fake", "given-up")
    theirs = folders.create("fake", "of-another")
    (theirs / "owner").write_text(json.dumps({"pid": 1, "start_time": "1", "boot_id": folders.boot_id()}))
    folders.remove_own()
    assert not mine.exists()
    assert theirs.exists()
    folders.remove(theirs)
