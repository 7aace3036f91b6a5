"""A mesh's traffic on real machines of each kernel: what was planned is what is reported, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from labs.harness import pace
from labs.harness.guest import Guest
from labs.harness.machine_operations import OPERATIONS
from labs.harness.mesh import DEVICE, Exchange, MeshPlan, Server, Session
from labs.harness.mesh.comparing import compare
from sandboxes.vm import Client
from sandboxes.vm.errors import Refused, Silent

pytestmark = pytest.mark.system
CLIENT, POD = "10.244.0.1", "10.244.3.7"
WEB = Server(POD, 8080, "h2c")
ECHO = Server("10.244.5.5", 7000, "echo", slow=True)


@pytest.fixture
def mesh(guest: Client) -> Iterator[Guest]:
    def ask(operation: str, args: dict[str, Any], timeout: float) -> tuple[dict[str, Any], bytes]:
        answer = OPERATIONS[operation](None, guest, args, pace.stretched(timeout))  # type: ignore[arg-type]
        return answer.ok, answer.body

    here = Guest("any", ask)
    here.mesh_start()
    try:
        yield here
    finally:
        here.mesh_end()


def do(mesh: Guest, *sessions: Session, servers: tuple[Server, ...], **more: Any) -> dict[str, Any]:
    """The report, which fits."""
    plan = MeshPlan(servers, sessions, **more)
    report = mesh.mesh(plan)
    result = compare(plan, report)
    assert result.fits, result
    return report


def h2(server: Server, *exchanges: Exchange, id_: int = 1, **more: Any) -> Session:
    return Session(id_, "h2", CLIENT, server.place, exchanges, **more)


def test_it_works(mesh: Guest) -> None:
    asked = (
        Exchange("status", 503, count=5),
        Exchange("status", 200, headers=20_000, body=5000, early=True, think_ms=10),
        Exchange("cancel", 503),
        Exchange("abort", 500, count=3),
        Exchange("goaway", 204),
    )
    report = do(mesh, h2(WEB, *asked), servers=(WEB,))
    at = [row["at"] for row in report["sessions"][0]["rows"]]
    assert at == sorted(at)


def test_many_streams_at_once_with_any_table(mesh: Guest) -> None:
    asked = (Exchange("status", 503, count=30), Exchange("status", 200, count=10, headers=600))
    sessions = [
        h2(WEB, *asked, id_=n, concurrent=8, table_size=size) for n, size in enumerate((1, 200, 4096, 65536))
    ]
    do(mesh, *sessions, servers=(WEB,))


def test_nginx_answers_and_is_cancelled(mesh: Guest) -> None:
    plain, secure = Server(POD, 8090, "nginx_h2c"), Server(POD, 8091, "nginx_h2", tls="1.2")
    asked = (Exchange("status", 503, count=3), Exchange("status", 599), Exchange("cancel", 502))
    do(mesh, h2(plain, *asked), h2(secure, Exchange("status", 500), id_=2), servers=(plain, secure))


def test_grpc_fails_in_its_own_way(mesh: Guest) -> None:
    server = Server(POD, 9000, "grpc")
    asked = (Exchange("call", 14, count=3), Exchange("call", 0), Exchange("call_cancel", count=2))
    do(mesh, Session(1, "grpc", CLIENT, server.place, asked), servers=(server,))


def test_one_stream_is_reset_often_and_another_after_it(mesh: Guest) -> None:
    asked = (Exchange("reset", 8, count=15), Exchange("reset", 2, count=3, pause_ms=50))
    do(mesh, Session(1, "framer", CLIENT, WEB.place, asked), servers=(WEB,))


def test_frames_that_no_real_server_sends(mesh: Guest) -> None:
    server = Server(POD, 8081, "made")
    asked = (Exchange("padded", 503, count=2, body=900), Exchange("broken"), Exchange("padded", 503))
    do(mesh, Session(1, "framer", CLIENT, server.place, asked), servers=(server,))


def test_a_client_that_is_stuck_stays_until_it_is_told_to_leave(mesh: Guest) -> None:
    server = Server(POD, 8452, "silent")

    def stuck(*exchanges: Exchange, **how: Any) -> Session:
        return Session(1, "tls", CLIENT, server.place, exchanges, fate="stuck", **how)

    do(mesh, stuck(Exchange("handshake"), keep=True), servers=(server,))
    do(mesh, stuck(resumed=True), servers=(server,))


def _patience(fate: str) -> int:
    """Milliseconds. Nobody answers a client that meets silence; the others share a processor."""
    return 1500 if fate == "silent" else 9000


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_handshakes_end_by_their_fate(mesh: Guest, version: Any) -> None:
    plain, mutual = Server(POD, 8450, "tls", tls=version), Server(POD, 8451, "tls", tls=version, mutual=True)
    mute = (Server(POD, 8452, "silent"), Server(POD, 8453, "closing"), Server(POD, 8454, "plain"))
    fates = ["good", "distrust", "no_version", "no_alpn", *(["no_cipher"] if version == "1.2" else [])]
    wanted = [("tls", plain, fate) for fate in fates] + [
        ("openssl", plain, fate) for fate in ("good", "distrust")
    ]
    wanted += [("tls", mutual, "good"), ("tls", mutual, "no_certificate")]
    wanted += [("tls", server, server.kind) for server in mute] + [("openssl", mute[0], "silent")]
    sessions = [
        Session(
            n, kind, CLIENT, server.place, (Exchange("handshake"),), fate=fate, patience_ms=_patience(fate)
        )  # type: ignore[arg-type]
        for n, (kind, server, fate) in enumerate(wanted)
    ]
    do(mesh, *sessions, servers=(plain, mutual, *mute), parallel=6)


def test_a_connection_is_kept_and_gone_on_with(mesh: Guest) -> None:
    first = do(mesh, h2(WEB, Exchange("status", 503), keep=True), servers=(WEB,))
    second = do(mesh, h2(WEB, Exchange("status", 503), resumed=True), servers=(WEB,))
    assert first["sessions"][0]["local"] == second["sessions"][0]["local"]
    again = mesh.mesh(MeshPlan((WEB,), (h2(WEB, Exchange("status"), resumed=True),)))
    assert again["sessions"][0]["failed"] == "kept: false, resumed: true"


def test_a_destination_becomes_slow_and_others_do_not(mesh: Guest) -> None:
    fast = Server("10.244.5.6", 7000, "echo")
    servers, asked = (ECHO, fast), (Exchange("round", count=20, body=50),)

    def both(**how: Any) -> tuple[Session, Session]:
        one, other = (Session(n, "echo", CLIENT, s.place, asked, **how) for n, s in enumerate(servers))
        return one, other

    do(mesh, *both(keep=True), servers=servers, delay_ms=0)
    report = do(mesh, *both(resumed=True), servers=servers, delay_ms=60)
    slow, quick = ([row["srtt_us"] for row in s["rows"]] for s in report["sessions"])
    assert quick[-1] < 40_000 < slow[-1]


def test_lost_and_overtaken_segments_come_in_the_end(mesh: Guest) -> None:
    server = Server(POD, 8089, "h2c", slow=True, chunk=7)
    asked = (Exchange("status", 503, count=10, body=300),)
    before = _queued_out_of_order(mesh)
    do(mesh, h2(server, *asked, concurrent=5), servers=(server,), delay_ms=10, loss=10, reorder=25)
    assert _queued_out_of_order(mesh) > before


def _queued_out_of_order(mesh: Guest) -> int:
    """Segments that came to the node's sockets before an earlier one did, ever."""
    text = mesh.run("grep", "^TcpExt:", "/proc/net/netstat")[1]
    names, values = (line.split()[1:] for line in text.splitlines())
    return int(dict(zip(names, values, strict=True))["TCPOFOQueue"])


def test_each_packet_passes_the_device_once_and_loopback_is_apart(mesh: Guest) -> None:
    local = Server("127.0.7.7", 8080, "h2c")
    before = _packets(mesh)
    do(
        mesh,
        Session(1, "h2", "127.0.0.9", local.place, (Exchange("status", 503, count=3),)),
        servers=(local,),
    )
    assert _packets(mesh) - before < 4  # neighbours are looked for at times
    do(mesh, h2(WEB, Exchange("status", 503, count=3)), servers=(WEB,))
    assert _packets(mesh) - before > 10


def _packets(mesh: Guest) -> int:
    folder = f"/sys/class/net/{DEVICE}/statistics"
    return sum(int(mesh.run("cat", f"{folder}/{way}_packets")[1]) for way in ("rx", "tx"))


def test_the_webhook_answers_as_it_is_told(mesh: Guest) -> None:
    url = "http://127.0.0.1:9800/hook"
    assert mesh.received() == ()
    assert mesh.get(url).status == 204
    mesh.webhook("fail")
    assert mesh.get(url).status == 500
    mesh.webhook("slow")
    assert mesh.get(url, timeout=15).status == 204
    mesh.webhook("refuse")
    with pytest.raises(Refused, match="refused"):
        mesh.get(url)
    mesh.webhook("hang")
    with pytest.raises((Refused, Silent)):
        mesh.get(url, timeout=3)
    mesh.webhook("ok")
    assert mesh.get(f"{url}/2").status == 204
    got = mesh.received()
    assert [one.path for one in got] == ["/hook", "/hook", "/hook", "/hook", "/hook/2"]
    assert {one.method for one in got} == {"GET"}
    assert [one.answered for one in got if one is not got[3]] == [204, 500, 204, 204]
    assert got[3].answered in (0, 204)  # its sender may have left before that changed
    assert got[2].at < got[3].at < got[4].at
    assert mesh.received(4) == got[4:]
    with pytest.raises(Refused, match="no webhook"):
        mesh.webhook("deaf")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"parallel": 0},
        {"delay_ms": 4001},
        {"loss": 51},
        {"servers": [{**vars(WEB), "address": "10.99.0.1"}]},
        {"servers": [{**vars(WEB), "port": 80}]},
        {"servers": [{**vars(WEB), "kind": "proxy"}]},
        {"servers": [{**vars(WEB), "address": f"10.1.1.{n}"} for n in range(65)]},
        {"sessions": [{"id": 1, "source": "8.8.8.8", "concurrent": 1}]},
        {"sessions": [{"id": 1, "source": CLIENT, "concurrent": 65}]},
        {
            "sessions": [
                {"id": 1, "source": CLIENT, "concurrent": 1, "exchanges": [{"ask": "status", "count": 4001}]}
            ]
        },
        {
            "sessions": [
                {"id": 1, "source": CLIENT, "concurrent": 1, "exchanges": [{"count": 1, "headers": 70_000}]}
            ]
        },
    ],
)
def test_a_plan_without_bounds_is_refused(mesh: Guest, guest: Client, change: dict[str, Any]) -> None:
    plan = {"servers": [], "sessions": [], "parallel": 1, "delay_ms": None, **change}
    with pytest.raises(Refused):
        OPERATIONS["mesh_do"](None, guest, {"plan": plan}, 10.0)  # type: ignore[arg-type]


def test_what_is_no_plan_at_all_ends_no_agent(mesh: Guest, guest: Client) -> None:
    for body in (b"", b"no JSON", b'{"unknown": 1}'):
        with pytest.raises(Refused):
            guest.call("mesh_do", body=body, timeout=20)
    assert guest.ping().release


def test_nothing_is_left_when_it_ends(guest: Client, mesh: Guest) -> None:
    server = Server(POD, 8090, "nginx_h2c")
    do(mesh, h2(server, Exchange("status", 503), keep=True), servers=(server,))
    mesh.mesh_end()
    processes, links = mesh.run("ps")[1], mesh.run("ip", "link")[1]
    assert "nginx" not in processes
    assert not [line for line in processes.splitlines() if line.endswith(" mesh")]
    assert DEVICE not in links
    with pytest.raises(Refused, match="there is no mesh"):
        mesh.received()
    mesh.mesh_start()  # which the fixture ends


def test_one_that_was_killed_is_an_error_and_no_hang(guest: Client, mesh: Guest) -> None:
    server = Server(POD, 8090, "nginx_h2c")
    do(mesh, h2(server, Exchange("status")), servers=(server,))
    with pytest.raises(Refused, match="the mesh stands"):
        mesh.mesh_start()
    assert mesh.run("sh", "-c", "kill -9 $(ps | awk '$3 == \"mesh\" {print $1}')")[0] == 0
    with pytest.raises(Refused):
        mesh.mesh(MeshPlan((WEB,), (h2(WEB, Exchange("status")),)))
    mesh.mesh_end()
    assert "nginx" not in mesh.run("ps")[1]
    mesh.mesh_start()
    do(mesh, h2(WEB, Exchange("status")), servers=(WEB,))


def test_libraries_are_those_of_the_packages(guest: Client) -> None:
    printed = bytearray()
    path = "/opt/mesh/openssl"
    program = guest.start(
        (path, "version"), env={"LD_LIBRARY_PATH": "/opt/mesh/lib"}, on_output=printed.extend
    )
    ended = program.wait(20)
    assert ended is not None
    assert printed.startswith(b"OpenSSL 3.")
