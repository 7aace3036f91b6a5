"""The operator's metrics page is the learner's: the grader reads it, and believes nothing else of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labs.operators.database.grading import clues

PAGE = """# TYPE controller_runtime_reconcile_total counter
controller_runtime_reconcile_total{controller="database",result="success"} 40
controller_runtime_reconcile_total{controller="database",result="error"} 2
controller_runtime_reconcile_total_other 7
controller_runtime_reconcile_errors_total{controller="database"} 2
"""


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, page: bytes) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                self.wfile.write(page)
            except ConnectionError:
                pass  # the reader had enough

        def log_message(self, *_args: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(clues, "METRICS", f"http://127.0.0.1:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, PAGE.encode()):
        assert clues.metric(clues.TOTAL) == 42
        assert clues.metric(clues.ERRORS) == 2


def test_a_counter_that_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, b"up 1\n"):
        assert clues.metric(clues.TOTAL) is None


@pytest.mark.parametrize("value", ["NaN", "+Inf", "many", ""])
def test_a_counter_that_is_no_number_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with serving(monkeypatch, f"{clues.TOTAL} {value}\n".encode()):
        assert clues.metric(clues.TOTAL) is None


def test_a_page_without_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, b"x" * (clues.METRICS_BYTES + 65536)):
        assert clues.metric(clues.TOTAL) is None


def test_no_server_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clues, "METRICS", "http://127.0.0.1:1/metrics")
    assert clues.metric(clues.TOTAL) is None
