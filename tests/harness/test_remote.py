"""`lastmile submit` against a site on loopback that misbehaves in one way at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from labs.harness import cli, remote
from labs.harness.remote import Message, Refusal, Site, Unreachable
from labs.harness.submission import Submission

MAIN = Submission({"main.go": b"package main\n"})
EVENTS = [
    {"seq": n, "at": 0.1, "type": "step", "source": "build", "text": {"zh": "一", "en": "one"}}
    for n in (1, 2, 3)
]


class FakeSite(BaseHTTPRequestHandler):
    """Cuts the event stream after each event; `trait` says what else it does."""

    protocol_version = "HTTP/1.1"
    trait: ClassVar[str] = ""
    seen: ClassVar[list[tuple[str, str]]] = []
    keys: ClassVar[list[str]] = []

    def log_message(self, *args: Any) -> None: ...

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.keys.append(self.headers["Idempotency-Key"])
        if self.trait == "drops the first answer" and len(self.keys) == 1:
            self.close_connection = True
            return
        if self.headers["Authorization"] != "Bearer good":
            self._answer(401, {"code": "no_token", "zh": "没有令牌", "en": "no token", "problems": []})
            return
        if "bad.go" in body["files"]:
            problem = {"file": "bad.go", "line": 0, "zh": "坏", "en": "bad"}
            self._answer(
                400, {"code": "bad_submission", "zh": "没收", "en": "not taken", "problems": [problem]}
            )
            return
        urls = {"events_url": "/api/v1/runs/1/events", "api_url": "/api/v1/runs/1", "url": "/runs/1/"}
        self._answer(201, {"id": "1", **urls})

    def do_GET(self) -> None:
        if not self.path.endswith("/events"):
            return self._answer(200, {"id": "1", "verdict": "fail"})
        last = self.headers.get("Last-Event-ID", "")
        self.seen.append((self.path, last))
        if self.trait == "is down":
            return self._answer(503, {})
        start = int(last.partition("-")[2] or 0)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        if start < len(EVENTS):
            event = EVENTS[start]
            text = f": hello\n\nid: 1-{start + 1}\nevent: step\ndata: {json.dumps(event)}\n\nid: 1-99\nevent: cut"
        else:
            text = 'event: end\ndata: {"state": "done", "verdict": "fail"}\n\n'
        self.wfile.write(text.encode())
        return None

    def _answer(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def url() -> Iterator[str]:
    FakeSite.trait, FakeSite.seen, FakeSite.keys = "", [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeSite) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_it_works(url: str) -> None:
    site, events = Site(url, "good", pause=0.01), []
    receipt = site.submit("operators/database", MAIN)
    ended = site.follow(receipt["events_url"], events.append)
    assert [event["seq"] for event in events] == [1, 2, 3]
    assert ended["verdict"] == "fail"
    assert [last for _, last in FakeSite.seen] == ["", "1-1", "1-2", "1-3"]


def test_an_answer_that_was_lost_does_not_make_a_second_run(url: str) -> None:
    FakeSite.trait = "drops the first answer"
    Site(url, "good", pause=0.01).submit("operators/database", MAIN)
    assert len(FakeSite.keys) == 2
    assert len(set(FakeSite.keys)) == 1


def test_a_refusal_keeps_its_text(url: str) -> None:
    with pytest.raises(Refusal) as caught:
        Site(url, "bad").submit("operators/database", MAIN)
    assert caught.value.problem["zh"] == "没有令牌"


def test_a_site_that_is_gone_is_said_so(url: str) -> None:
    FakeSite.trait = "is down"
    with pytest.raises(Unreachable):
        Site(url, "good", pause=0.001).follow("/api/v1/runs/1/events", lambda event: None)
    with pytest.raises(Unreachable):
        Site("http://127.0.0.1:1", "good", pause=0.001).submit("operators/database", MAIN)


def test_the_verb_shows_the_run_and_ends_with_its_code(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.go").write_bytes(MAIN.files["main.go"])
    argv = ["submit", "services/elsewhere", str(tmp_path), "--url", url, "--token", "good", "--lang", "en"]
    assert cli.main(argv) == 1
    assert "/runs/1/" in capsys.readouterr().out
    (tmp_path / "bad.go").touch()
    assert cli.main(argv) == 2
    assert "bad.go: bad" in capsys.readouterr().out


def test_events_are_read_as_the_standard_says() -> None:
    lines = [
        "id:7",
        "event: a",
        "data: one",
        "data:two",
        "",
        ": comment",
        "",
        "data: three",
        "",
        "data: cut off",
    ]
    assert list(remote.messages(iter(lines))) == [Message("7", "a", "one\ntwo"), Message("", "", "three")]
