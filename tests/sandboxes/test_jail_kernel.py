"""What a jailed program may ask of the kernel."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from sandboxes.jail import Bind, bubblewrap, run
from sandboxes.keeper import seccomp
from sandboxes.keeper.__main__ import _bubblewrap as bubblewrap_arguments
from tests.sandboxes.attacks import perl, said, sh, tight

pytestmark = pytest.mark.system

_ARM = platform.machine() == "aarch64"
_CLONE, _SOCKET = (220, 198) if _ARM else (56, 41)
_CLONE3, _SIGCHLD = 435, 17
# calls each "NUMBER ARGUMENT" with its other arguments 0; prints 0 (also in a child) or the error
_CALL = """
for (@ARGV) {
    my ($n, $x) = split; $! = 0;
    my $r = syscall($n + 0, $x + 0, 0, 0, 0, 0, 0); print $r == 0 ? 0 : $! + 0, "\\n"
}
"""
_NAMESPACES = {
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
_EPERM, _ENOSYS, _EAFNOSUPPORT, _SIGSYS = 1, 38, 97, 31


def _denied() -> dict[str, int]:
    column = 1 if _ARM else 0
    return {name: number for name, row in seccomp.DENIED.items() if (number := row[column]) is not None}


def test_every_denied_call_is_refused() -> None:
    calls = _denied()
    errors = said(perl(_CALL, *(f"{number} 0" for number in calls.values()))).splitlines()
    assert dict(zip(calls, map(int, errors), strict=True)) == dict.fromkeys(calls, _EPERM)


def test_clone_makes_no_namespace() -> None:
    errors = said(perl(_CALL, *(f"{_CLONE} {flag | _SIGCHLD}" for flag in _NAMESPACES.values()))).splitlines()
    assert dict(zip(_NAMESPACES, map(int, errors), strict=True)) == dict.fromkeys(_NAMESPACES, _EPERM)


def test_clone_without_a_namespace_is_a_fork() -> None:
    assert (
        said(perl('my $p = fork; if (!$p) { print "child"; exit 0 } waitpid $p, 0; print " $?"')) == "child 0"
    )


def test_clone3_is_not_there() -> None:
    assert said(perl(_CALL, f"{_CLONE3} 0")) == str(_ENOSYS)


@pytest.mark.skipif(_ARM, reason="x32 is an ABI of x86_64")
@pytest.mark.parametrize("number", [39, 272])
def test_the_x32_calls_end_the_program(number: int) -> None:
    result = run(perl("syscall($ARGV[0] + 0, 0, 0, 0, 0); print 'alive'", str(0x40000000 | number)))
    assert result.exit_code == 128 + _SIGSYS
    assert b"alive" not in result.output


def test_no_socket_of_a_family_that_a_namespace_does_not_hold() -> None:
    families = {"vsock": 40, "alg": 38, "packet": 17, "bluetooth": 31, "xdp": 44, "tipc": 30, "kcm": 41}
    errors = said(perl(_CALL, *(f"{_SOCKET} {family}" for family in families.values()))).splitlines()
    assert dict(zip(families, map(int, errors), strict=True)) == dict.fromkeys(families, _EAFNOSUPPORT)


def test_the_common_families_work() -> None:
    assert (
        said(perl('print socket(my $s, $_, $_ == 16 ? 3 : 1, 0) ? "made " : "$! " for 1, 2, 16'))
        == "made made made"
    )


def test_unshare_and_nsenter_are_refused() -> None:
    output = said(sh("unshare -U id; unshare -r -m id; unshare -n id; nsenter -t 1 -m id; echo ended"))
    assert "uid=" not in output
    assert output.endswith("ended")


def test_no_user_namespace_even_without_the_filter() -> None:
    """--disable-userns is the second lock, and holds when the filter is taken away."""
    spec = {
        "bwrap": bubblewrap(),
        "netns": None,
        "links": (),
        "cwd": "/",
        "env": {},
        "argv": ["/usr/bin/unshare", "-U", "id"],
    }
    argv = bubblewrap_arguments(spec, ["--ro-bind", "/", "/"])
    for option in ("--seccomp", "--info-fd"):
        at = argv.index(option)
        del argv[at : at + 2]
    unlocked = [word for word in argv if word != "--disable-userns"]
    assert subprocess.run(unlocked, capture_output=True).returncode == 0
    assert subprocess.run(argv, capture_output=True).returncode != 0


def test_nothing_can_be_mounted() -> None:
    tries = ("mount -t tmpfs x /tmp", "umount /work", "mount --bind /usr /work", "mount -o remount,rw /")
    output = said(sh(" ; ".join(f"{{ {x} 2>/dev/null && echo done; }}" for x in tries) + "; echo ended"))
    assert output == "ended"


def test_it_cannot_look_into_its_own_first_process() -> None:
    output = said(
        perl(
            'open(my $m, "+<", "/proc/1/mem") and print "open "; print syscall($ARGV[0] + 0, 16, 1, 0, 0)',
            str(_denied()["ptrace"]),
        )
    )
    assert output.split()[-1] == "-1"


def test_it_has_no_capability_and_gets_no_new_privilege() -> None:
    fields = dict(
        line.split(":\t", 1) for line in said(sh("cat /proc/self/status")).splitlines() if ":\t" in line
    )
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[name], 16) == 0, name
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert fields["Uid"].split() == ["1000"] * 4
    assert fields["Groups"].split() in ([], ["1000"])


def test_a_set_uid_program_gives_nothing(tmp_path: Path) -> None:
    tool = tmp_path / "id"
    shutil.copy("/usr/bin/id", tool)
    tool.chmod(0o4755)
    assert tool.stat().st_uid == 0
    output = said(sh("/tool; su -c id; echo ended", binds=(Bind(tool, "/tool"),)))
    assert "uid=1000" in output
    assert "euid" not in output
    assert "uid=0" not in output


def test_every_mount_but_the_devices_is_nosuid_or_read_only() -> None:
    for line in said(sh("cat /proc/self/mounts")).splitlines():
        _, where, kind, options, *_ = line.split()
        flags = set(options.split(","))
        assert "nosuid" in flags, line
        if where in ("/work", "/tmp"):
            assert "nodev" in flags, line
        elif kind not in ("proc", "devpts") and not where.startswith("/dev/"):
            assert "ro" in flags, line


def test_a_crash_leaves_no_core() -> None:
    output = said(
        sh("cd /work; ulimit -c unlimited; ulimit -c; sh -c 'kill -SEGV $$'; ls -A /work; echo ended")
    )
    assert "core" not in output.replace("core dumped", "").replace("core file", "")
    assert output.splitlines()[-1] == "ended"


def test_limits_cannot_be_raised() -> None:
    for switch in ("-n 100000", "-c unlimited"):
        output = said(sh(f"ulimit {switch} && echo raised; echo ended", limits=tight()))
        assert "raised" not in output
        assert output.splitlines()[-1] == "ended", "it got past the attempt"


def test_the_kernel_s_switches_cannot_be_turned() -> None:
    before = Path("/proc/sys/kernel/hostname").read_text()
    switches = (
        "sys/kernel/hostname",
        "sys/kernel/core_pattern",
        "sysrq-trigger",
        "sys/vm/drop_caches",
        "sys/net/ipv4/ip_forward",
    )
    script = """
for s; do { echo h > /proc/$s; } 2>/dev/null && echo $s; done
hostname evil 2>/dev/null && echo name; echo ended
"""
    assert said(sh(script, *switches)) == "ended"
    assert Path("/proc/sys/kernel/hostname").read_text() == before
