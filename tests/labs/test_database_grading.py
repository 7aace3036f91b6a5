"""How the Database grader reads objects, without a cluster."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from labs.harness.checks import Failed
from labs.harness.diff import differs
from labs.harness.kube import Obj
from labs.operators.database.grading import clues, status, world


def database(name: str = "orders", engine: str = "mysql", size: int = 2) -> world.Db:
    nothing: Any = None
    return world.Db(nothing, "shop", name, engine, size, "uid-1")


def statefulset() -> Obj:
    """As an operator that follows the brief stores it, with defaults and other people's labels."""
    labels = {**world.labels("orders"), "team": "payments"}
    container = {
        "name": "database",
        "image": "registry.example.com/mysql:8.4",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "db", "containerPort": 3306, "protocol": "TCP"}],
    }
    return {
        "metadata": {"name": "orders", "labels": labels},
        "spec": {
            "replicas": 2,
            "serviceName": "orders",
            "selector": {"matchLabels": world.selector("orders")},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def test_it_works() -> None:
    assert not differs(world.statefulset_facts(statefulset()), world.wanted_statefulset(database()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["spec", "replicas"], 3),
        (["spec", "serviceName"], "other"),
        (["spec", "selector", "matchLabels", "app.kubernetes.io/managed-by"], "database-operator"),
        (["spec", "template", "spec", "containers"], []),
        (["metadata", "labels", "app.kubernetes.io/instance"], "order"),
        (["spec", "template", "spec", "containers", 0, "image"], "registry.example.com/mysql:9"),
        (["spec", "template", "spec", "containers", 0, "ports"], []),
    ],
)
def test_it_sees_what_is_not_as_the_brief_says(path: list[str | int], value: Any) -> None:
    obj: Any = copy.deepcopy(statefulset())
    place = obj
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert differs(world.statefulset_facts(obj), world.wanted_statefulset(database()))


def test_a_second_container_is_a_difference() -> None:
    obj = statefulset()
    obj["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "x"})
    assert differs(world.statefulset_facts(obj), world.wanted_statefulset(database()))


def test_the_data_of_a_record_must_be_exactly_as_wanted() -> None:
    data = {"engine": "mysql", "address": "orders.shop.svc:3306"}
    record: Obj = {"metadata": {"labels": world.labels("orders")}, "data": data}
    assert not differs(world.record_facts(record), world.wanted_record(database()))
    data["password"] = "x"
    assert differs(world.record_facts(record), world.wanted_record(database()))


def test_a_status_that_leaves_out_zero_ready_replicas_says_zero() -> None:
    assert world.status_facts({"status": {"observedGeneration": 1}})["readyReplicas"] == 0
    assert world.status_facts({})["readyReplicas"] is None


def version(word: str, at: str, message: str = "") -> Obj:
    return {"status": word, "lastTransitionTime": at, "message": message}


def test_a_transition_time_that_moves_without_a_change_is_seen() -> None:
    row = [
        version("False", "2026-01-01T00:00:00Z", "0 of 2"),
        version("False", "2026-01-01T00:00:03Z", "1 of 2"),
    ]
    with pytest.raises(Failed) as failed:
        status._moves_only_on_change("Ready", row)
    assert "2026-01-01T00:00:03Z" in failed.value.saw.en


def test_a_transition_time_that_moves_with_the_status_is_right() -> None:
    row = [version("False", "2026-01-01T00:00:00Z"), version("True", "2026-01-01T00:00:03Z")]
    status._moves_only_on_change("Ready", row)
    status._moved(row[1], marked=1767225603)


def test_a_transition_time_that_stays_when_the_status_changes_is_seen() -> None:
    with pytest.raises(Failed):
        status._moved(version("True", "2026-01-01T00:00:00Z"), marked=1767225603)


def test_a_headless_service_without_ports_is_a_difference_and_no_accident() -> None:
    bare: Obj = {"metadata": {"labels": world.labels("orders")}, "spec": {"clusterIP": "None"}}
    assert differs(world.service_facts(bare), world.wanted_service(database()))


@pytest.mark.parametrize("when", ["0000-01-01T00:00:00Z", "2026-11-26T10:00:60Z", "2026-11-26T25:00:00Z"])
def test_a_time_that_no_calendar_has_is_long_ago(when: str) -> None:
    assert status._seconds({"lastTransitionTime": when}) == 0.0


@pytest.mark.parametrize("line", ["[" * 100_000, "{" * 5, "ERROR [[[[", '["a"]', '{"error": 5}'])
def test_any_line_of_a_log_can_be_read(line: str) -> None:
    assert isinstance(clues._error_in(line), str)
