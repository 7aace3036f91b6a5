"""Names of files that go into a jail, and what a jail is called."""

from __future__ import annotations

import os.path
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.interface import check_name
from sandboxes.jail import Bind, Command, Process, run
from sandboxes.jail import process as jail_process
from sandboxes.keeper import cgroup

_parts = st.sampled_from(
    ["a", "b.go", "..", ".", "", "...", "a..b", "-x", "日本", "\0", " ", "\n", "~", "$HOME"]
)


@given(st.lists(_parts, min_size=1, max_size=6).map("/".join) | st.text(max_size=30))
def test_what_is_accepted_stays_below_its_folder(name: str) -> None:
    try:
        check_name(name)
    except ValueError:
        return
    path = os.path.normpath(f"/top/work/{name}")
    assert path.startswith("/top/work/")
    assert path == f"/top/work/{name}"
    assert "\0" not in path


@pytest.mark.parametrize("name", ["a", "a/b", "...", ".gitignore", "a b", "日本.go", "-rf"])
def test_plain_names_are_accepted(name: str) -> None:
    check_name(name)


@given(st.text(max_size=80))
def test_any_label_makes_a_name_for_a_cgroup(label: str) -> None:
    id_ = jail_process._spec(Command(("/bin/true",), label=label))["id"]
    assert re.fullmatch(rf"[a-z0-9-]{{0,40}}-{jail_process.tag()}-[0-9a-f]{{8}}", id_)
    assert cgroup.keeper_of(f"{id_}.12.34") == (12, "34")


@pytest.mark.system
def test_an_argument_that_cannot_be_is_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError):
        Process(Command(("/bin/true",), files={"../x": b""}))


@pytest.mark.system
def test_a_bind_below_tmp_is_seen_over_the_jail_s_own(tmp_path: Path) -> None:
    file = tmp_path / "shown"
    file.write_text("here\n")
    dest = "/tmp/below/shown"  # a cache may lie below /tmp on the host
    command = Command(("/bin/cat", dest), env={"PATH": "/usr/bin"}, binds=(Bind(file, dest),), system=True)
    assert run(command).output == b"here\n"
