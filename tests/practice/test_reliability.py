"""What the platform promises when a part of it fails: nothing lost, nothing scored twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis
from stack import Stack, eventually, follow

from lastmile.practice import presence


@pytest.fixture
def owner(stack: Stack) -> httpx.Client:
    return stack.client("learner")


@pytest.fixture
def classmate(stack: Stack) -> httpx.Client:
    return stack.client("classmate")


@pytest.fixture(autouse=True)
def worker(stack: Stack) -> Iterator[None]:
    """Worker 1 runs when a test begins; no other worker and no open gate outlive it."""
    stack.gate.unlink(missing_ok=True)
    if "worker-1" not in stack.children:
        stack.start_worker(1)
    yield
    stack.gate.touch()
    for name in [name for name in stack.children if name.startswith("worker-") and name != "worker-1"]:
        stack.stop(name)
    eventually(lambda: not stack.rows("SELECT 1 FROM practice_run WHERE state <> 'done'"))


def _grading(stack: Stack, run_id: str) -> bool:
    return bool(stack.run(run_id)["state"] == "grading")


def test_it_works(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "quick")
    assert answer.status_code == 201, answer.text
    assert answer.json()["queued"] is True
    events = list(follow(owner, answer.json()["events_url"]))
    assert [event for _, event, _ in events if event in ("attempt", "verdict", "end")] == [
        "attempt",
        "verdict",
        "end",
    ]
    run = owner.get(answer.json()["api_url"]).json()
    assert (run["verdict"], run["points"], run["passed"], run["attempt"]) == ("pass", 10, 2, 1)
    assert [check["status"] for check in run["checks"]] == ["passed", "passed"]


def test_a_double_click_makes_one_run(stack: Stack, owner: httpx.Client) -> None:
    before = len(stack.rows("SELECT 1 FROM practice_run"))
    with ThreadPoolExecutor(4) as clicks:
        answers = list(clicks.map(lambda _: stack.submit(owner, "quick", key="double-click"), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(stack.rows("SELECT 1 FROM practice_run")) == before + 1


def test_two_submissions_at_once_make_one_run(stack: Stack, owner: httpx.Client) -> None:
    with ThreadPoolExecutor(3) as clicks:
        answers = list(clicks.map(lambda _: stack.submit(owner, "slow"), range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 429, 429]
    run_id = next(answer.json()["id"] for answer in answers if answer.status_code == 201)
    refused = next(answer.json() for answer in answers if answer.status_code == 429)
    assert refused["code"] == "run_going_on"
    assert refused["run"] == run_id


def test_the_broker_is_down_while_submitting(stack: Stack, owner: httpx.Client) -> None:
    stack.stop("redis")
    answer = stack.submit(owner, "quick")
    stack.start_redis()
    assert answer.status_code == 201, answer.text
    assert answer.json()["queued"] is False
    assert "waiting for the queue" in answer.json()["en"]
    assert stack.finished(answer.json()["id"])["verdict"] == "pass"


def test_the_worker_is_killed_while_grading(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "slow").json()
    eventually(lambda: _grading(stack, answer["id"]))
    stack.kill("worker-1")
    stack.start_worker(1)
    events = follow(owner, answer["events_url"])
    eventually(lambda: next(events)[2].get("attempt") == 2)
    stack.gate.touch()
    assert list(events)[-1][1] == "end"
    row = stack.finished(answer["id"])
    assert (row["verdict"], row["attempt"], row["failures"]) == ("pass", 2, 1)


def test_postgresql_is_restarted_while_grading(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "slow").json()
    eventually(lambda: _grading(stack, answer["id"]))
    stack.stop("postgres")
    stack.gate.touch()
    stack.start_postgres()
    row = stack.finished(answer["id"])
    assert (row["verdict"], row["attempt"]) == ("pass", 1)
    assert len(stack.rows("SELECT 1 FROM practice_runlog WHERE run_id = %s", answer["id"])) == 1


def test_the_broker_is_restarted_while_grading(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "slow").json()
    eventually(lambda: _grading(stack, answer["id"]))
    events = follow(owner, answer["events_url"])
    seen = [next(e for e in events if e[1] == "check")]
    stack.stop("redis")
    stack.gate.touch()
    assert stack.finished(answer["id"])["verdict"] == "pass"
    stack.start_redis()
    seen += list(events)
    numbers = [int(id_.partition("-")[2]) for id_, event, _ in seen if event != "end"]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [event for _, event, _ in seen][-2:] == ["verdict", "end"]


def test_a_late_second_verdict_is_dropped(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "slow").json()
    eventually(lambda: _grading(stack, answer["id"]))
    late = stack.children["worker-1"]
    os.kill(late.process.pid, signal.SIGSTOP)
    stack.start_worker(2)
    eventually(lambda: stack.run(answer["id"])["attempt"] == 2 and _grading(stack, answer["id"]))
    stack.gate.touch()
    first = stack.finished(answer["id"])
    assert first["worker"].endswith(str(stack.children["worker-2"].process.pid))
    os.kill(late.process.pid, signal.SIGCONT)
    eventually(lambda: b"'overtaken'" in late.log.read_bytes())
    assert stack.run(answer["id"]) == first
    assert len(stack.rows("SELECT 1 FROM practice_runlog WHERE run_id = %s", answer["id"])) == 1


def test_a_worker_that_is_asked_to_stop_gives_the_run_back(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "slow").json()
    eventually(lambda: _grading(stack, answer["id"]))
    stack.stop("worker-1")
    assert stack.run(answer["id"])["state"] == "queued"
    stack.gate.touch()
    stack.start_worker(1)
    row = stack.finished(answer["id"])
    assert (row["verdict"], row["attempt"], row["failures"]) == ("pass", 2, 0)


def test_a_run_says_that_no_worker_would_take_it(stack: Stack, owner: httpx.Client) -> None:
    with redis.Redis(unix_socket_path=str(stack.redis_socket)) as there:
        eventually(lambda: there.ttl(presence.served_key("build")) > 0)
        stack.stop("worker-1")
        there.delete(presence.served_key("build"))  # as after the time for which it is believed
    answer = stack.submit(owner, "quick").json()
    events = follow(owner, answer["events_url"])
    told = next(data for _, event, data in events if event == "queue" and data["published"])
    assert told == {"position": 0, "published": True, "again": False, "served": False}
    stack.start_worker(1)
    assert list(events)[-1][2]["verdict"] == "pass"


def test_a_run_that_is_withdrawn_frees_its_worker_and_its_lab(stack: Stack, owner: httpx.Client) -> None:
    log = stack.children["worker-1"].log
    before = log.stat().st_size
    answer = stack.submit(owner, "slow").json()
    eventually(lambda: _grading(stack, answer["id"]))
    refused = stack.submit(owner, "slow").json()
    assert refused["code"] == "run_going_on"
    ended = owner.post(f"/api/v1/runs/{answer['id']}/withdraw").json()
    assert (ended["state"], ended["verdict"], ended["checks"]) == ("done", "withdrawn", [])
    again = stack.submit(owner, "slow").json()
    eventually(lambda: _grading(stack, again["id"]))  # by the one worker there is
    stack.gate.touch()
    assert stack.finished(again["id"])["verdict"] == "pass"
    events = list(follow(owner, answer["events_url"]))
    assert [data.get("state") for _, event, data in events if event == "state"] == ["building", "grading"]
    assert [data["verdict"] for _, event, data in events if event == "verdict"] == ["withdrawn"]
    assert b"'overtaken'" in log.read_bytes()[before:]


def test_nobody_else_withdraws_a_run(stack: Stack, owner: httpx.Client, classmate: httpx.Client) -> None:
    answer = stack.submit(owner, "slow").json()
    assert classmate.post(f"/api/v1/runs/{answer['id']}/withdraw").status_code == 404
    assert stack.run(answer["id"])["state"] != "done"


def test_poison_is_quarantined_after_three_tries(stack: Stack, owner: httpx.Client) -> None:
    run_id = stack.submit(owner, "dies").json()["id"]
    for _ in range(3):
        stack.children["worker-1"].process.wait(30)
        stack.start_worker(1)
    row = stack.finished(run_id)
    assert (row["verdict"], row["quarantined"], row["attempt"], row["failures"]) == ("internal", True, 3, 3)
    assert stack.submit(owner, "quick").status_code == 201


def test_a_broken_engine_is_our_fault(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "raises").json()
    row = stack.finished(answer["id"])
    assert (row["verdict"], row["quarantined"], row["attempt"]) == ("internal", True, 3)
    assert "our fault" in row["reason_en"]
    events = list(follow(owner, answer["events_url"]))
    assert [data["verdict"] for _, event, data in events if event == "verdict"] == ["internal"]
    assert stack.rows("SELECT 1 FROM skills_skillevidence WHERE run_id = %s", answer["id"]) == []


def test_what_a_learner_prints_cannot_break_the_stream(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "lies").json()
    events = list(follow(owner, answer["events_url"]))
    (printed,) = [data["text"] for _, event, data in events if event == "log"]
    assert "</script>" in printed
    assert "\x00" not in printed
    assert len(printed) > 1_000_000
    assert events[-1][1] == "end"
    assert stack.finished(answer["id"])["verdict"] == "fail"


def test_no_credential_is_left_for_the_engine(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "curious").json()
    (seen,) = [data["text"] for _, event, data in follow(owner, answer["events_url"]) if event == "log"]
    assert "DATABASE_URL" not in seen
    assert "REDIS_URL" not in seen
    assert "of the test stack" not in seen


def test_a_stream_resumes_where_it_broke_off(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "slow").json()
    first = follow(owner, answer["events_url"])
    seen = [next(e for e in first if e[1] == "check")]
    last = seen[-1][0]
    first.close()
    stack.gate.touch()
    attempt, _, seq = last.partition("-")
    rest = [e for e in follow(owner, answer["events_url"], after=last) if e[1] != "end"]
    assert [id_ for id_, _, _ in rest] == [
        f"{attempt}-{n}" for n in range(int(seq) + 1, int(seq) + 1 + len(rest))
    ]
    assert rest[-1][1] == "verdict"
    whole = [id_ for id_, event, _ in follow(owner, answer["events_url"]) if event not in ("end", "attempt")]
    assert whole == [f"{attempt}-{n}" for n in range(1, int(seq) + 1 + len(rest))]
    everything = owner.get(answer["events_url"], headers={"Last-Event-ID": whole[-1]})
    assert everything.status_code == 204


def test_the_finished_log_outlives_redis(stack: Stack, owner: httpx.Client) -> None:
    answer = stack.submit(owner, "quick").json()
    stack.finished(answer["id"])
    stack.stop("redis")
    events = [event for _, event, _ in follow(owner, answer["events_url"])]
    stack.start_redis()
    assert events[-2:] == ["verdict", "end"]


def test_it_refuses_a_classmate(stack: Stack, owner: httpx.Client, classmate: httpx.Client) -> None:
    answer = stack.submit(owner, "quick").json()
    assert classmate.get(answer["api_url"]).status_code == 404
    assert classmate.get(answer["events_url"]).status_code == 404
    assert classmate.get(answer["events_url"], headers={"Authorization": "Bearer lm_no"}).status_code == 401


def test_an_instructor_follows_the_class(stack: Stack, owner: httpx.Client) -> None:
    instructor = stack.client("teacher")
    news = follow(instructor, "/class/demo/events")
    assert next(news)[1] == "hello"
    run_id = stack.submit(owner, "quick").json()["id"]
    states = []
    while not states or states[-1] != "done":
        _, event, data = next(news)
        if event == "run" and data["run"] == run_id:
            states.append(data["state"])
    assert states[0] == "queued"
    news.close()
    assert owner.get("/class/demo/events").status_code == 404
