"""What a grader asks of a guest, on a real one of each kernel."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

import pytest

from sandboxes.interface import Spec
from sandboxes.vm import Client, VirtualMachine, VirtualMachineProvider
from sandboxes.vm.errors import GuestError, Refused, TooLarge
from sandboxes.vm.programs import Exit
from tests.sandboxes.machine import await_true

pytestmark = pytest.mark.system


def _say(
    guest: Client, script: str, output_bytes: int = 4 << 20, stop_at_output: bool = True
) -> tuple[Exit, bytes]:
    output = bytearray()
    program = guest.start(
        ("/bin/sh", "-c", script),
        on_output=output.extend,
        output_bytes=output_bytes,
        stop_at_output=stop_at_output,
    )
    ended = program.wait(20)
    assert ended is not None, script
    return ended, bytes(output)


def test_it_works(machine: VirtualMachine, guest: Client) -> None:
    state = guest.ping()
    assert state.release.startswith(machine.handle.data["kernel"] + ".")
    assert state.release == machine.handle.data["release"]
    assert abs(state.clock - time.time()) < 5
    ended, output = _say(guest, "uname -r; echo $0 >&2; exit 3")
    assert (ended.code, ended.signal, ended.stopped_by) == (3, 0, "")
    assert output.decode().split() == [state.release, "/bin/sh"]


def test_its_clock_is_the_hosts(guest: Client) -> None:
    _say(guest, "date -s 2001-01-01 || busybox date -s 2001-01-01")
    assert guest.ping().clock < time.time() - 1e8
    assert abs(guest.hello().clock - time.time()) < 5


def test_files_go_in_and_come_out(guest: Client) -> None:
    content = os.urandom(300_000)
    guest.put_bytes("folder/below/file", content, mode=0o750)
    assert guest.get_bytes("folder/below/file") == content
    assert _say(guest, "stat -c %a folder/below/file || ls -l folder/below/file")[1].startswith(
        (b"750", b"-rwxr-x---")
    )
    guest.put_bytes("folder/below/file", b"")
    assert guest.get_bytes("folder/below/file") == b""


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a//x", "./x", "x/", "a\0b"])
def test_a_name_that_leads_out_is_refused_by_both_sides(guest: Client, name: str) -> None:
    for act in (lambda: guest.put_bytes(name, b""), lambda: guest.get_bytes(name)):
        with pytest.raises(ValueError, match="not the name of a file"):
            act()
    for operation, args in (
        ("put", {"name": name, "mode": 0, "size": 0}),
        ("get", {"name": name, "limit": 1}),
    ):
        with pytest.raises(Refused, match=r"not the name|not found|no such"):
            guest.call(operation, args)


def test_a_link_that_leads_out_is_refused(guest: Client) -> None:
    _say(guest, "ln -sf /proc/version link; ln -sfn / all; rm -f pipe; mkfifo pipe")
    for name in ("link", "all/proc/version"):
        with pytest.raises(Refused, match="escape"):
            guest.get_bytes(name)
    with pytest.raises(Refused, match="escape"):
        guest.put_bytes("all/tmp/x", b"")
    with pytest.raises(Refused, match="regular file"):
        guest.get_bytes("pipe")


def test_a_file_past_the_limit_is_too_large(guest: Client) -> None:
    guest.put_bytes("large", bytes(200_000))
    with pytest.raises((TooLarge, Refused), match="more than 1000 bytes"):
        guest.get_bytes("large", limit=1000)
    with pytest.raises(Refused, match="no such file"):
        guest.get_bytes("nothing")


def test_a_program_is_watched_signalled_and_measured(guest: Client) -> None:
    heard, seen = bytearray(), threading.Event()

    def listen(piece: bytes) -> None:
        heard.extend(piece)
        if b"ready" in heard:
            seen.set()

    script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    program = guest.start(("/bin/sh", "-c", script), on_output=listen)
    assert seen.wait(20)
    assert program.running
    assert program.usage().processes >= 1
    program.signal(signal.SIGTERM)
    ended = program.wait(20)
    assert ended is not None
    assert (ended.code, bytes(heard)) == (5, b"ready\nbye\n")
    assert ended.usage.cpu_seconds > 0
    assert program.usage() == ended.usage
    program.signal(signal.SIGTERM)


def test_what_a_program_leaves_behind_ends_with_it(guest: Client) -> None:
    ended, output = _say(guest, "(setsid sh -c 'sleep 1000' &) ; sleep 1001 & echo started")
    assert (ended.code, output) == (0, b"started\n")
    assert b"sleep 100" not in _say(guest, "ps")[1].replace(b"ps", b"")


def test_a_killed_program_names_its_signal(guest: Client) -> None:
    program = guest.start(("/bin/sleep", "1000"))
    ended = program.kill()
    assert ended is not None
    assert (ended.code, ended.signal, ended.stopped_by) == (None, signal.SIGKILL, "")


def test_what_does_not_start_is_refused(guest: Client) -> None:
    for argv in (("/bin/nothing",), ("nothing",), ("/work",), ()):
        with pytest.raises(Refused):
            guest.start(argv)


def test_standard_input_may_be_long(guest: Client) -> None:
    output = bytearray()
    program = guest.start(("/bin/wc", "-c"), stdin=bytes(500_000), on_output=output.extend)
    assert program.wait(20) is not None
    assert output.split() == [b"500000"]
    with pytest.raises(Refused, match="too long"):
        guest.start(("/bin/wc",), stdin=bytes(2 << 20))


def test_too_much_output_ends_a_program_or_is_dropped(guest: Client) -> None:
    ended, output = _say(guest, "yes", output_bytes=100_000)
    assert (ended.stopped_by, len(output)) == ("output", 100_000)
    ended, output = _say(guest, "seq 50000", output_bytes=1000, stop_at_output=False)
    assert (ended.code, ended.stopped_by, len(output)) == (0, "", 1000)
    assert ended.output_dropped > 200_000


def test_a_child_that_left_the_group_cannot_keep_the_end_untold(guest: Client) -> None:
    """It holds the program's output open, and nothing that ends the program ends it."""
    ended, output = _say(
        guest,
        "sh -c 'echo $$ > /sys/fs/cgroup/cgroup.procs; exec sleep 600' & echo $! > /tmp/left; "
        'while [ "$(cat /proc/$!/cgroup)" != 0::/ ]; do :; done; echo done',
    )
    assert (ended.code, ended.stopped_by, output) == (0, "", b"done\n")
    _say(guest, "kill $(cat /tmp/left)")


def test_headers_that_fit_no_answer_are_refused(guest: Client) -> None:
    script = (
        "(printf 'HTTP/1.1 200 x\r\nContent-Length: 0\r\nX-A: '; head -c 3000 /dev/zero | tr '\\0' '<'; "
        "printf '\r\n\r\n') | nc -l -p 8103"
    )
    server = guest.start(("/bin/sh", "-c", script))
    await_true(lambda: ":8103 " in _say(guest, "netstat -ltn")[1].decode(), 20, "it listens")
    with pytest.raises(Refused, match="response headers of"):
        guest.http_get("http://127.0.0.1:8103/")
    assert server.wait(10) is not None
    guest.ping()


def test_http_of_loopback_in_both_families(guest: Client) -> None:
    script = "printf 'HTTP/1.1 418 x\\r\\nX-A: b\\r\\nContent-Length: 4\\r\\n\\r\\nbody' | nc -l -p {}"
    for port, url in ((8101, "127.0.0.1"), (8102, "[::1]")):
        server = guest.start(("/bin/sh", "-c", script.format(port)))
        await_true(lambda port=port: f":{port} " in _say(guest, "netstat -ltn")[1].decode(), 20, "it listens")
        response = guest.http_get(f"http://{url}:{port}/metrics", headers={"Accept": "text/plain"})
        assert (response.status, response.headers["X-A"], response.body) == (418, "b", b"body")
        assert server.wait(10) is not None


@pytest.mark.parametrize(
    "url",
    ["http://10.99.0.2/", "https://127.0.0.1/", "http://localhost/", "file:///etc/x", "http://127.0.0.1:1/"],
)
def test_http_elsewhere_is_refused(guest: Client, url: str) -> None:
    with pytest.raises(Refused):
        guest.http_get(url)


def test_it_has_both_families_and_a_neighbour_who_never_answers(guest: Client) -> None:
    _, addresses = _say(guest, "ip addr")
    for address in ("127.0.0.1/8", "::1/128", "10.99.0.1/24", "fd99::1/64"):
        assert address.encode() in addresses
    assert _say(guest, "nc -w 1 10.99.0.2 80 </dev/null; echo $?")[1].strip().endswith(b"1")


def test_a_fresh_kernel_holds_no_bpf_objects(guest: Client) -> None:
    assert guest.bpf().programs == ()
    assert guest.bpf().pins == ()
    guest.bpf_stats(True)
    assert _say(guest, "cat /proc/sys/kernel/bpf_stats_enabled")[1].strip() in (b"0", b"1")
    guest.bpf_stats(False)


def test_its_kernel_can_trace(guest: Client) -> None:
    _, output = _say(
        guest,
        "test -s /sys/kernel/btf/vmlinux && test -d /sys/kernel/tracing/events/sock/inet_sock_set_state"
        " && grep -q ' tcp_v4_connect' /proc/kallsyms && echo yes",
    )
    assert output == b"yes\n"


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(machine: VirtualMachine) -> None:
    client = machine.client()
    chatty = client.start(("/bin/yes",), output_bytes=0)
    assert chatty.running

    def put() -> None:
        with contextlib.suppress(GuestError):
            client.put_bytes("half", bytes(8 << 20))

    upload = threading.Thread(target=put)
    upload.start()
    client.close()
    upload.join()
    with machine.client() as after:
        assert _say(after, "echo fine")[1] == b"fine\n"
        after.call("signal", {"program": chatty.number, "signal": 9})
        after.call("await", {"program": chatty.number})


def test_operations_that_are_not_there_are_refused(guest: Client) -> None:
    with pytest.raises(Refused, match="no operation x"):
        guest.call("x")
    with pytest.raises(Refused, match="unknown field"):
        guest.call("get", {"name": "x", "limt": 1})


def test_two_clones_have_random_numbers_of_their_own(machine: VirtualMachine) -> None:
    ask = ("/bin/sh", "-c", "head -c 16 /dev/urandom | od -x | head -1; cat /proc/sys/kernel/random/uuid")
    provider, spec = VirtualMachineProvider(), Spec("vm", options={"kernel": machine.handle.data["kernel"]})
    said = []
    for _ in range(2):
        clone = provider.start(spec, lambda progress: None)
        try:
            said.append(clone.run(*ask).output)
        finally:
            clone.close()
    numbers, uuids = zip(*(text.splitlines() for text in said), strict=True)
    assert len(numbers[0].split()) == 9
    assert numbers[0] != numbers[1]
    assert uuids[0] != uuids[1]
