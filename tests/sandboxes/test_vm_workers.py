"""Workers: processes of the agent's that make system calls when the host says so, on each kernel."""

from __future__ import annotations

import pytest

from sandboxes.vm import Client
from sandboxes.vm.errors import Refused

pytestmark = pytest.mark.system


def test_it_works(guest: Client) -> None:
    pid = guest.call("worker_start")[0]["pid"]
    job = {"pid": pid, "threads": [100, 20, 30], "others": 2, "child": 10}
    assert guest.call("worker_do", job, timeout=30) == ({}, b"")
    assert guest.call("worker_end", {"pid": pid}, timeout=30) == ({}, b"")


def test_one_that_has_ended_does_nothing_more(guest: Client) -> None:
    pid = guest.call("worker_start")[0]["pid"]
    guest.call("worker_end", {"pid": pid})
    for operation in ("worker_do", "worker_end"):
        with pytest.raises(Refused, match=f"no worker {pid}"):
            guest.call(operation, {"pid": pid})


def test_one_that_was_killed_is_an_error_and_no_hang(guest: Client) -> None:
    pid = guest.call("worker_start")[0]["pid"]
    ended = guest.start(("/bin/kill", "-9", str(pid))).wait(20)
    assert ended is not None
    assert ended.code == 0
    with pytest.raises(Refused):
        guest.call("worker_do", {"pid": pid, "threads": [1]}, timeout=20)


@pytest.mark.parametrize(
    "job", [{"threads": [-1]}, {"threads": [1 << 21]}, {"others": 99}, {"threads": [1] * 17}, {"child": -1}]
)
def test_a_job_without_bounds_is_refused(guest: Client, job: dict[str, object]) -> None:
    pid = guest.call("worker_start")[0]["pid"]
    with pytest.raises(Refused):
        guest.call("worker_do", {"pid": pid, **job})
    guest.call("worker_end", {"pid": pid})
