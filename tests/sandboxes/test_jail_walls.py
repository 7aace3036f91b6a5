"""What a jailed program sees of the host, of its keeper and of other jails."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.interface import StartFailed
from sandboxes.jail import Bind, Overlay, Process, model, run, start
from sandboxes.jail import process as jail_process
from sandboxes.keeper import cgroup
from sandboxes.netns import NetNS
from tests.sandboxes.attacks import begin, perl, said, sh, tight
from tests.sandboxes.machine import cgroups

pytestmark = pytest.mark.system

_CONNECT_TCP = (
    "use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); "
    "print connect($s, sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) ? 'connected' : $!"
)
_CONNECT_UNIX = (
    "use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); my $a = pack('S', 1) . \"\\0\" . $ARGV[0]; "
    "print connect($s, $a) ? 'connected' : $!"
)


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a server on the host's 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def neighbour() -> Iterator[Process]:
    """Another jail, that has files and a sleeping process."""
    process = begin(
        sh("echo secret > /tmp/neighbour; echo secret > /work/neighbour; echo ready; exec sleep 300")
    )
    yield process
    process.kill()


def test_the_root_holds_what_was_asked_for() -> None:
    assert said(sh("ls -A /")).split() == ["bin", "dev", "lib", "lib64", "proc", "sbin", "tmp", "usr", "work"]


def test_without_system_there_is_no_shell(tmp_path: Path) -> None:
    result = run(model.Command(("/bin/sh", "-c", "true"), limits=tight()))
    assert result.exit_code not in (0, None)


def test_the_host_s_files_are_not_there() -> None:
    paths = (
        "/root",
        "/etc",
        "/etc/shadow",
        str(Path(__file__).resolve().parents[2]),
        "/run",
        "/var",
        "/home",
        "/sys",
        "/mnt",
        "/oldroot",
        "/newroot",
    )
    script = """
for p; do
    for way in "$p" "/proc/1/root$p" "/proc/1/cwd/..$p" "../../../../..$p"; do [ -e "$way" ] && echo "$way"; done
done
echo ended
"""
    assert said(sh(script, *paths)) == "ended"


def test_the_folders_of_the_run_and_of_tests_are_not_there(own_run: Path, tmp_path: Path) -> None:
    assert (
        said(sh(f"ls {own_run} {tmp_path} /run/lastmile /var/cache/lastmile 2>/dev/null; echo ended"))
        == "ended"
    )


def test_it_sees_only_its_own_processes(neighbour: Process) -> None:
    output = said(sh("cd /proc; for p in [0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done"))
    assert "sleep 300" not in output
    assert len(said(sh("ls -d /proc/[0-9]*")).splitlines()) <= 3


def test_it_can_kill_nobody_else(neighbour: Process) -> None:
    said(perl(f"kill 9, $_ for {neighbour.pid}, 2..400, {os.getpid()}; print 'ended'"))
    # the command itself is among those it may kill, and so may end here
    run(perl("kill 9, -1"))
    assert neighbour.running
    assert neighbour.wait(0.1) is None


def test_each_jail_has_its_own_files(neighbour: Process) -> None:
    assert said(sh("ls -A /tmp /work")).split() == ["/tmp:", "/work:"]


def test_each_jail_has_its_own_uid() -> None:
    jails = [begin(sh("echo ready; exec sleep 60")) for _ in range(4)]
    try:
        uids = [_host_uids(jail) for jail in jails]
    finally:
        for jail in jails:
            jail.kill()
    assert all(len(u) == 1 for u in uids)
    assert len({next(iter(u)) for u in uids}) == 4
    assert 0 not in set.union(*uids)


def _host_uids(jail: Process) -> set[int]:
    (name,) = cgroups(jail.id)
    found = set()
    for pid in cgroup.Cgroup(name).pids():
        status = Path(f"/proc/{pid}/status").read_text()
        found |= {int(x) for x in re.findall(r"^Uid:\s+(.*)$", status, re.MULTILINE)[0].split()}
    return found


def test_it_writes_nowhere_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    places = ("/", "/usr", "/usr/bin", "/dev", "/dev/shm", "/bin", "/proc", "/bound")
    script = "for p; do { echo x > $p/x; } 2>/dev/null && echo $p; mkdir $p/d 2>/dev/null && echo $p; done; echo ended"
    assert said(sh(script, *places, binds=(Bind(tmp_path, "/bound"),))) == "ended"
    assert not list(tmp_path.iterdir())


def test_what_is_written_over_a_folder_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "kept").write_text("kept")
    command = sh(
        "echo new > /over/new; rm /over/sub/kept 2>/dev/null; echo x > /over/sub/more; cat /over/seed; ls /over/sub",
        overlays=(Overlay(tmp_path, "/over", {"seed": "seed\n"}),),
    )
    assert said(command).split()[0] == "seed"
    assert [p.name for p in sorted(tmp_path.rglob("*"))] == ["sub", "kept"]
    assert (tmp_path / "sub" / "kept").read_text() == "kept"


def test_the_environment_of_the_keeper_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://marker-7f3a")
    output = said(
        sh("env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'", env={"OWN": "yes"})
    )
    assert "marker-7f3a" not in output
    assert set(said(sh("env")).split()) == {"PATH=/usr/bin:/bin", "PWD=/work"}


def test_no_descriptor_is_inherited(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    fds = [os.open(secret, os.O_RDONLY) for _ in range(12)]
    high = os.dup2(fds[0], 200)
    for fd in (*fds, high):
        os.set_inheritable(fd, True)
    try:
        listing = r"""
opendir(my $d, "/proc/self/fd"); my @n = grep { /\d/ && readlink("/proc/self/fd/$_") !~ m{/fd$} } readdir $d; print "@n"
"""
        assert sorted(said(perl(listing)).split()) == ["0", "1", "2"]
        target = tmp_path / "export"
        target.touch()
        assert sorted(said(perl(listing, export=target)).split()) == ["0", "1", "2", "9"]
    finally:
        for fd in (*fds, high):
            os.close(fd)


def test_the_export_holds_what_was_written_to_descriptor_9(tmp_path: Path) -> None:
    target = tmp_path / "export"
    target.write_text("old content that is longer")
    assert run(sh("echo result >&9; echo log", export=target)).output == b"log\n"
    assert target.read_text() == "result\n"


def test_the_export_is_no_larger_than_the_disk(tmp_path: Path) -> None:
    target = tmp_path / "export"
    target.touch()
    script = """
head -c 9M /dev/zero >&9; head -c 9M /dev/zero >&9
perl -e 'open(F, q(>&=), 9); truncate(F, 1e9); seek(F, 5e8, 0); print F 1'
"""
    run(sh(script, export=target, limits=tight(disk_bytes=4 << 20)))
    assert target.stat().st_size <= 4 << 20


def test_the_export_cannot_be_reached_by_its_path(tmp_path: Path) -> None:
    target = tmp_path / "export"
    target.touch()
    script = """
{ echo x > /proc/self/fd/9; } 2>/dev/null && echo opened
chmod 777 /proc/self/fd/9 2>/dev/null && echo changed
ln -L /proc/self/fd/9 /work/l 2>/dev/null && echo linked
echo ended
"""
    assert said(sh(script, export=target)) == "ended"
    assert target.read_text() == ""


def test_an_export_through_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    (tmp_path / "link").symlink_to("other")
    with pytest.raises(OSError):
        start(sh("echo x >&9", export=tmp_path / "link"))
    assert (tmp_path / "other").read_text() == "kept"


def test_the_host_s_loopback_and_the_world_are_out_of_reach(listener: int) -> None:
    assert said(perl(_CONNECT_TCP, "127.0.0.1", str(listener))) == "Connection refused"
    for address in ("8.8.8.8", "10.0.0.1", "169.254.169.254", "192.168.0.1"):
        assert said(perl(_CONNECT_TCP, address, "80")) == "Network is unreachable"
    devices = said(sh("cat /proc/net/dev")).splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]


def test_abstract_sockets_of_the_host_are_out_of_reach() -> None:
    name = f"lastmile-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        assert said(perl(_CONNECT_UNIX, name)) == "Connection refused"


def test_a_shared_network_holds_two_jails_and_nothing_else(listener: int) -> None:
    network = NetNS.create()
    serve = (
        "use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); bind($s, sockaddr_in(7000, INADDR_LOOPBACK)); "
        "listen($s, 5); $| = 1; print 'ready'; accept(my $c, $s); sleep 60"
    )
    process = begin(perl(serve, network=network.path))
    try:
        assert said(perl(_CONNECT_TCP, "127.0.0.1", "7000", network=network.path)) == "connected"
        assert (
            said(perl(_CONNECT_TCP, "127.0.0.1", str(listener), network=network.path)) == "Connection refused"
        )
        assert said(perl(_CONNECT_TCP, "8.8.8.8", "80", network=network.path)) == "Network is unreachable"
        assert said(sh("ls -A /tmp /work; ls -d /proc/[0-9]* | wc -l", network=network.path)).split()[:2] == [
            "/tmp:",
            "/work:",
        ]
        network.connect(7000).close()
        assert process.running
    finally:
        process.kill()
        network.close()
    network.close()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a//b", "./a", "..", "", "a\0b"])
def test_a_file_cannot_be_put_outside(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="is not the name"):
        start(sh("true", files={name: b"x"}))
    # the keeper writes as root and so does not rely on its caller
    monkeypatch.setattr(jail_process, "check_name", lambda name: None)
    with pytest.raises(StartFailed):
        run(sh("true", files={name: b"x"}))
    assert not Path("/etc/x").exists()


def test_links_in_work_lead_nowhere() -> None:
    script = """
ln -s /etc/shadow a; ln -s ../../../../root b; ln -s /proc/1/root c
cat a b/.profile c/etc/passwd 2>/dev/null; echo ended
"""
    assert said(sh(script)) == "ended"
