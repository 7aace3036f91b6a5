"""Without root there are no cgroups, networks and uids to give; the rest of the jail must hold all the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandboxes.jail import capabilities

pytestmark = pytest.mark.system

_NOBODY = 65534
_PYTHON = "/usr/bin/python3"
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="lm-nobody-", dir="/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _as_nobody(home: Path, body: str) -> Any:
    """What `body`, run by a user who is nobody, puts into `answer`."""
    script = f"""
import json, sys
sys.path.insert(0, {str(_ROOT)!r})
from pathlib import Path
from sandboxes.jail import *
from sandboxes import netns
from sandboxes.interface import *
def sh(script, **limits):
    limits = {{"wall_seconds": 20, **limits}}
    path = {{"PATH": "/usr/bin:/bin"}}
    return run(Command(("/bin/sh", "-c", script), path, system=True, limits=Limits(**limits)))
{body}
print(json.dumps(answer))
"""
    argv = [
        "setpriv",
        f"--reuid={_NOBODY}",
        f"--regid={_NOBODY}",
        "--clear-groups",
        _PYTHON,
        "-I",
        "-c",
        script,
    ]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LASTMILE_RUN": str(home / "run")}
    done = subprocess.run(argv, env=env, cwd=home, capture_output=True, timeout=60)
    if b"sandboxes" in done.stderr and b"ModuleNotFoundError" in done.stderr:
        pytest.skip(f"{_ROOT} cannot be read by nobody")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(autouse=True)
def _needs(home: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("root and setpriv are needed to become nobody")
    tried = subprocess.run(
        [_PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], capture_output=True
    )
    if tried.returncode:
        pytest.skip(f"{_PYTHON} is older than 3.11")
    if not _as_nobody(home, "answer = capabilities().user_namespaces"):
        pytest.skip("users of this machine may not make user namespaces")


def test_it_works(home: Path) -> None:
    body = """
result = sh("id -u; ls -A /; ls -d /proc/[0-9]* | wc -l; cat /proc/net/dev | wc -l; ls /root /etc 2>&1 | wc -l")
answer = [result.exit_code, result.output.decode()]
"""
    code, output = _as_nobody(home, body)
    lines = output.split()
    assert code == 0
    assert lines[0] == "1000"
    assert lines[1:10] == ["bin", "dev", "lib", "lib64", "proc", "sbin", "tmp", "usr", "work"]
    assert int(lines[10]) <= 5
    assert lines[11:] == ["3", "2"]


def test_it_says_what_it_cannot_do(home: Path) -> None:
    can = _as_nobody(home, "from dataclasses import asdict; answer = asdict(capabilities())")
    assert (can["root"], can["own_uids"], can["network_namespaces"], can["cgroup"]) == (
        False,
        False,
        False,
        0,
    )
    assert can["broken"] == ""
    assert can["overlay"] is capabilities().overlay
    body = """
try:
    netns.NetNS.create()
except Unavailable as error:
    answer = str(error)
"""
    assert "run as root" in _as_nobody(home, body)


def test_the_limits_hold_by_rlimits(home: Path) -> None:
    body = """
count = "perl -e 'my $n = 0; while (defined(my $p = fork)) { if (!$p) { sleep 60; exit } $n++ } print $n'"
answer = {
    "wall": sh("kill -STOP $$", wall_seconds=0.5).stopped_by,
    "output": sh("yes", output_bytes=100_000).stopped_by,
    "memory": sh("perl -e 'my @x; push @x, q(x) x 1_000_000 while 1'", memory_bytes=64 << 20).exit_code,
    "disk": sh("head -c 8M /dev/zero > a; head -c 8M /dev/zero > b", disk_bytes=9 << 20).exit_code,
    "processes": int(sh(count, processes=30).output),
    "loop": sh("while :; do :; done", cpu_seconds=1).stopped_by,
}
"""
    answer = _as_nobody(home, body)
    assert (answer["wall"], answer["output"]) == ("wall", "output")
    assert answer["memory"] != 0
    assert answer["disk"] != 0
    assert answer["processes"] < 40
    assert answer["loop"] == "cpu"


def test_nothing_is_left(home: Path) -> None:
    body = """
import os, time
sh("perl -e 'use POSIX; fork and exit; setsid; exit if fork; $0 = q(lm-nobody-daemon); sleep 300' & sleep 0.3")
p = start(Command(("/bin/sleep", "299.25"), system=True)); time.sleep(0.3); p.kill()
deadline = time.monotonic() + 5
def words(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\\0")
    except OSError:
        return []
def left():
    return sum(b"lm-nobody-daemon" in words(p) or b"299.25" in words(p) for p in os.listdir("/proc") if p.isdecimal())
while left() and time.monotonic() < deadline:
    time.sleep(0.05)
answer = left()
"""
    assert _as_nobody(home, body) == 0
