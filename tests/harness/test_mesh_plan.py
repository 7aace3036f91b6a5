"""What may be asked of a mesh, and what must be true of it afterwards."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from labs.harness.mesh import Exchange, MeshPlan, Server, Session
from labs.harness.mesh.plan import MAX_EXCHANGES, MAX_SERVERS, MAX_SESSIONS

CLIENT, POD = "10.244.0.1", "10.244.3.7"
WEB, SECURE, GRPC = Server(POD, 8080, "h2c"), Server(POD, 8443, "h2"), Server(POD, 9000, "grpc")
NGINX, TLS, ECHO = (
    Server(POD, 8090, "nginx_h2c"),
    Server(POD, 8450, "tls", tls="1.2"),
    Server(POD, 7000, "echo"),
)
CLOSING, SILENT, MADE = Server(POD, 8451, "closing"), Server(POD, 8452, "silent"), Server(POD, 8081, "made")


def session(server: Server, *exchanges: Exchange, kind: str = "h2", id_: int = 1, **more: Any) -> Session:
    return Session(id_, kind, CLIENT, server.place, exchanges, **more)  # type: ignore[arg-type]


def plan(*sessions: Session, **more: Any) -> MeshPlan:
    servers = (WEB, SECURE, GRPC, NGINX, TLS, ECHO, CLOSING, SILENT, MADE)
    return MeshPlan(more.pop("servers", servers), sessions, **more)


def test_it_works() -> None:
    asked = (
        Exchange("status", 503, count=5),
        Exchange("status"),
        Exchange("cancel", 503),
        Exchange("abort", 500),
    )
    truth = plan(session(WEB, *asked)).truth()
    assert truth.responses == {(WEB.place, 503): 6, (WEB.place, 200): 1, (WEB.place, 500): 1}
    assert truth.errors == {(WEB.place, 503): 6, (WEB.place, 500): 1}
    assert truth.reset_streams == {WEB.place: 2}
    assert truth.reset_frames == {(WEB.place, "client", 8): 1, (WEB.place, "server", 2): 1}
    assert not truth.handshakes


def test_the_guest_is_told_all_that_it_needs() -> None:
    sent = plan(session(WEB, Exchange("status", 503))).fields()
    assert sent["sessions"][0]["server"] == (POD, 8080)
    assert set(sent["servers"][0]) == {field.name for field in dataclasses.fields(Server)}
    assert set(sent["sessions"][0]) == {field.name for field in dataclasses.fields(Session)}
    assert set(sent["sessions"][0]["exchanges"][0]) == {field.name for field in dataclasses.fields(Exchange)}


def test_grpc_fails_with_status_200() -> None:
    truth = plan(session(GRPC, Exchange("call", 14, count=3), Exchange("call_cancel"), kind="grpc")).truth()
    assert truth.responses == {(GRPC.place, 200): 4}
    assert not truth.errors
    assert [reply.grpc for reply in truth.replies] == [14, 14, 14, 1]
    assert truth.reset_frames == {(GRPC.place, "client", 8): 1}


def test_many_resets_of_one_stream_are_one_stream() -> None:
    truth = plan(session(WEB, Exchange("reset", 8, count=15), kind="framer")).truth()
    assert truth.reset_streams == {WEB.place: 1}
    assert truth.reset_frames == {(WEB.place, "client", 8): 15}
    assert truth.responses == {(WEB.place, 200): 1}


def test_what_is_in_tls_is_true_and_not_visible() -> None:
    truth = plan(session(SECURE, Exchange("status", 503), Exchange("abort", 500))).truth()
    assert truth.errors.total() == 2
    assert not truth.visible().replies
    assert not truth.visible().streams
    assert [(h.version, h.failed) for h in truth.visible().handshakes] == [("1.3", False)]


def test_behind_a_block_that_cannot_be_decoded_there_is_nothing() -> None:
    asked = (Exchange("padded", 503, count=2), Exchange("broken"), Exchange("padded", 503, count=5))
    truth = plan(session(MADE, *asked, kind="framer")).truth()
    assert truth.responses == {(MADE.place, 503): 2}
    assert [broken.server for broken in truth.visible().broken] == [MADE.place]
    assert not truth.within({"10.0.0.0/8": False}).broken
    assert len((truth + truth).broken) == 2


def test_who_is_stuck_has_no_answer_and_may_stay() -> None:
    stuck = session(SILENT, Exchange("handshake"), kind="tls", fate="stuck", keep=True)
    truth = plan(stuck).truth()
    assert [(h.version, h.answered, h.failed) for h in truth.handshakes] == [("", False, True)]
    assert not plan(session(SILENT, kind="tls", fate="stuck", resumed=True)).truth().handshakes


@pytest.mark.parametrize(
    ("fate", "tls", "kind", "failure"),
    [
        ("distrust", "1.2", "tls", ("1.2", 42)),
        ("distrust", "1.3", "tls", ("1.3", 42)),
        ("distrust", "1.2", "openssl", ("1.2", 48)),
        ("no_version", "1.3", "tls", ("", 70)),
        ("no_cipher", "1.2", "tls", ("", 40)),
        ("no_alpn", "1.2", "openssl", ("", 120)),
        ("no_certificate", "1.2", "tls", ("1.2", 40)),
        ("no_certificate", "1.3", "tls", ("1.3", 116)),
    ],
)
def test_a_handshake_fails_by_its_fate(fate: str, tls: Any, kind: str, failure: tuple[str, int]) -> None:
    server = Server(POD, 8460, "tls", tls=tls, mutual=fate == "no_certificate")
    truth = plan(
        session(server, Exchange("handshake", count=2), kind=kind, fate=fate), servers=(server,)
    ).truth()
    assert truth.failures == {(server.place, *failure): 2}
    assert {h.hidden for h in truth.handshakes} == {tls == "1.3" and failure[0] == "1.3"}
    assert {h.answered for h in truth.handshakes} == {bool(failure[0])}


def test_the_longest_prefix_decides() -> None:
    inside, excepted = Server("10.244.3.7", 8080, "h2c"), Server("10.244.9.7", 8080, "h2c")
    again, outside = Server("10.244.9.200", 8080, "h2c"), Server("192.168.7.7", 8080, "h2c")
    servers = (inside, excepted, again, outside)
    sessions = [session(s, Exchange("status", 503), id_=n) for n, s in enumerate(servers)]
    watched = {"10.244.0.0/16": True, "10.244.9.0/24": False, "10.244.9.200/32": True}
    truth = plan(*sessions, servers=servers).truth().within(watched)
    assert truth.errors == {(inside.place, 503): 1, (again.place, 503): 1}


def test_truths_add_up() -> None:
    first = plan(session(WEB, Exchange("status", 503), keep=True)).truth()
    second = plan(session(WEB, Exchange("status", 503), resumed=True)).truth()
    assert (first + second).errors == {(WEB.place, 503): 2}
    assert [reply.resumed for reply in (first + second).replies] == [False, True]


def _many(count: int) -> tuple[Server, ...]:
    return tuple(Server(POD, 20_000 + n, "echo") for n in range(count))


@pytest.mark.parametrize(
    "make",
    [
        lambda: plan(parallel=0),
        lambda: plan(parallel=33),
        lambda: plan(delay_ms=4001),
        lambda: plan(delay_ms=20, loss=51),
        lambda: plan(loss=5),
        lambda: plan(servers=_many(MAX_SERVERS + 1)),
        lambda: plan(servers=(WEB, Server(POD, 8080, "echo"))),
        lambda: plan(servers=(Server("8.8.8.8", 8080, "h2c"),)),
        lambda: plan(servers=(Server("10.99.0.1", 8080, "h2c"),)),
        lambda: plan(servers=(Server(POD, 80, "h2c"),)),
        lambda: plan(servers=(Server("127.0.0.9", 8080, "h2c", slow=True),)),
        lambda: plan(servers=(Server(POD, 8080, "h2c", chunk=1401),)),
        lambda: plan(servers=(Server(POD, 8080, "grpc", chunk=7),)),
        lambda: plan(*(session(ECHO, kind="echo", id_=n) for n in range(MAX_SESSIONS + 1))),
        lambda: plan(session(WEB), session(WEB)),
        lambda: plan(session(WEB, Exchange("status", count=MAX_EXCHANGES + 1))),
        lambda: plan(session(WEB, Exchange("status", count=MAX_EXCHANGES), Exchange("status"))),
        lambda: plan(session(WEB, Exchange("status", 418))),
        lambda: plan(session(WEB, Exchange("status", headers=65 << 10))),
        lambda: plan(session(WEB, Exchange("status", body=257 << 10))),
        lambda: plan(session(WEB, Exchange("status", pause_ms=60_001))),
        lambda: plan(session(WEB, Exchange("status", think_ms=10_001))),
        lambda: plan(session(WEB, Exchange("cancel", 204))),
        lambda: plan(session(WEB, Exchange("goaway"), Exchange("status"))),
        lambda: plan(session(WEB, Exchange("goaway", count=2))),
        lambda: plan(session(WEB, Exchange("goaway"), keep=True)),
        lambda: plan(session(WEB, Exchange("call"))),
        lambda: plan(session(WEB, Exchange("status"), concurrent=65)),
        lambda: plan(session(WEB, Exchange("status"), table_size=0)),
        lambda: plan(session(WEB, Exchange("status"), patience_ms=99)),
        lambda: plan(session(ECHO, Exchange("status"))),
        lambda: plan(session(Server(POD, 1, "echo"), kind="echo")),
        lambda: plan(session(GRPC, Exchange("call", 17), kind="grpc")),
        lambda: plan(session(NGINX, Exchange("abort"))),
        lambda: plan(session(NGINX, Exchange("status", headers=100))),
        lambda: plan(session(TLS, Exchange("handshake"), kind="tls", fate="no_certificate")),
        lambda: plan(session(TLS, Exchange("handshake"), kind="tls", fate="silent")),
        lambda: plan(session(TLS, Exchange("handshake"), kind="tls", keep=True)),
        lambda: plan(session(CLOSING, Exchange("handshake"), kind="tls")),
        lambda: plan(session(CLOSING, Exchange("handshake"), kind="tls", fate="stuck")),
        lambda: plan(session(SILENT, Exchange("handshake", count=2), kind="tls", fate="stuck")),
        lambda: plan(session(SILENT, Exchange("handshake"), kind="openssl", fate="stuck")),
        lambda: plan(session(SILENT, Exchange("handshake"), kind="tls", fate="stuck", resumed=True)),
        lambda: plan(session(SILENT, Exchange("handshake"), kind="tls", fate="silent", keep=True)),
        lambda: plan(session(WEB, Exchange("padded"), kind="framer")),
        lambda: plan(session(MADE, Exchange("reset", 8), kind="framer")),
        lambda: plan(session(MADE, Exchange("status"))),
        lambda: plan(session(MADE, Exchange("padded", count=11), kind="framer")),
        lambda: plan(session(MADE, Exchange("padded", body=4097), kind="framer")),
        lambda: plan(session(MADE, Exchange("padded", 418), kind="framer")),
        lambda: plan(session(MADE, Exchange("padded", early=True), kind="framer")),
        lambda: plan(session(MADE, Exchange("padded"), kind="framer", keep=True)),
        lambda: plan(session(WEB, Exchange("reset", 8), kind="framer", concurrent=2)),
        lambda: MeshPlan((WEB,), (Session(1, "h2", "127.0.0.2", WEB.place, ()),)),
    ],
)
def test_what_the_guest_would_refuse_is_no_plan(make: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        make()


def test_a_plan_has_time_for_what_it_waits_for() -> None:
    quick = plan(session(WEB, Exchange("status")))
    slow = plan(session(WEB, Exchange("status", count=10, pause_ms=1000, think_ms=500)), delay_ms=500)
    assert slow.seconds > quick.seconds + 15
