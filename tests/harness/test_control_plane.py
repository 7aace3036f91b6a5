"""The graders' fixtures against a real etcd, kube-apiserver, kube-controller-manager and apigate."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from labs.harness import pace
from labs.harness.audit import Audit
from labs.harness.checks import Failed, NotInTime
from labs.harness.events import Text
from labs.harness.gate import Fault, Gate
from labs.harness.kube import (
    CONFIGMAPS,
    NAMESPACES,
    PODS,
    STATEFULSETS,
    AlreadyExists,
    Conflict,
    Invalid,
    Kind,
    Kube,
    NotFound,
)
from labs.harness.kubelet import Kubelet, is_ready
from labs.harness.operator_lab import OperatorLab
from labs.harness.process import Operator
from labs.harness.timeline import Steps, merge
from sandboxes.controlplane.provider import ControlPlaneProvider
from sandboxes.interface import Spec
from sandboxes.keeper import linux
from tests.sandboxes.machine import await_true

pytestmark = pytest.mark.system

T = TypeVar("T")
BINDINGS = Kind(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
WORDS: dict[str, Any] = {
    "tried": Text("试", "tried"),
    "expected": Text("望", "expected"),
    "hint": lambda seen: Text(f"见 {seen!r}", f"saw {seen!r}"),
}


class World:
    """A lab's fixtures, and a client that is the learner's operator. Calls run inside the sandbox's network."""

    def __init__(self, data: dict[str, Any]) -> None:
        ends, tokens, ca = data["endpoints"], data["tokens"], data["ca"]
        self._netns = data["netns"]
        self.kube = Kube(ends["api"], tokens["grader"], ca)
        self.gate = Gate(ends["gate_control"], tokens["gate_control"], ca)
        self.operator = Kube(ends["gate"], tokens["learner"], ca)
        self.lab = OperatorLab(
            kube=self.kube,
            gate=self.gate,
            audit=Audit(Path(data["audit_log"]), self.kube),
            kubelet=Kubelet(self.kube),
            operator=Operator(lambda *a, **k: None, lambda: True),
            random=random.Random(time.time_ns()),
            seed=1,
            tell=lambda text, command: None,
        )

    def inside(self, do: Callable[[], T]) -> T:
        """Run `do` in a thread that has entered the sandbox's network namespace."""
        results: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            fd = os.open(self._netns, os.O_RDONLY)
            try:
                linux.setns(fd, linux.CLONE_NEWNET)
                results.append(do())
            except BaseException as error:  # noqa: BLE001  raised again below, in the test's own thread
                errors.append(error)
            finally:
                os.close(fd)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    sandbox = ControlPlaneProvider().start(Spec("controlplane"), lambda progress: None)
    try:
        made = World(dict(sandbox.handle.data))
        binding = {
            "metadata": {"name": "operator"},
            "roleRef": {"apiGroup": BINDINGS.group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "User", "name": "operator", "apiGroup": BINDINGS.group}],
        }
        made.inside(lambda: made.kube.create(BINDINGS, binding))
        yield made
    finally:
        sandbox.close()


def config(ns: str, name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"namespace": ns, "name": name}, "data": data}


def test_it_works(world: World) -> None:
    def crud() -> None:
        kube, ns = world.kube, world.lab.namespace()
        made = kube.create(CONFIGMAPS, config(ns, "a", x="1"))
        assert kube.get(CONFIGMAPS, ns, "a")["data"] == {"x": "1"}
        kube.patch(CONFIGMAPS, ns, "a", {"data": {"y": "2"}})
        with pytest.raises(Conflict):
            kube.replace(CONFIGMAPS, made | {"data": {}})
        with pytest.raises(AlreadyExists):
            kube.create(CONFIGMAPS, config(ns, "a"))
        assert [c["kind"] for c in kube.list(CONFIGMAPS, ns) if c["metadata"]["name"] == "a"] == ["ConfigMap"]
        kube.delete(CONFIGMAPS, ns, "a")
        kube.delete(CONFIGMAPS, ns, "a")
        assert kube.find(CONFIGMAPS, ns, "a") is None
        with pytest.raises(NotFound):
            kube.get(CONFIGMAPS, ns, "a")

    world.inside(crud)


def test_wait_sees_what_comes_later_and_says_what_did_not(world: World) -> None:
    def waits() -> None:
        kube, ns = world.kube, world.lab.namespace()
        threading.Timer(0.4, lambda: kube.create(CONFIGMAPS, config(ns, "late"))).start()
        begun = pace.now()
        found = kube.wait(CONFIGMAPS, ns, "late", lambda o: o is not None, timeout=5)
        assert found is not None
        assert pace.now() - begun < 2
        threading.Timer(0.2, lambda: kube.delete(CONFIGMAPS, ns, "late")).start()
        assert kube.wait(CONFIGMAPS, ns, "late", lambda o: o is None, timeout=5) is None
        with pytest.raises(NotInTime) as caught:
            kube.wait(CONFIGMAPS, ns, "late", lambda o: o is not None, timeout=0.3)
        assert "不存在" in caught.value.what.zh

    world.inside(waits)


def test_the_audit_log_tells_exactly_what_the_operator_wrote_between_two_marks(world: World) -> None:
    def count() -> None:
        audit, ns = world.lab.audit, world.lab.namespace()
        world.operator.create(CONFIGMAPS, config(ns, "before"))
        begin = audit.mark()
        for number in range(20):
            world.operator.create(CONFIGMAPS, config(ns, f"c{number}"))
            world.operator.get(CONFIGMAPS, ns, f"c{number}")
        with pytest.raises(AlreadyExists):
            world.operator.create(CONFIGMAPS, config(ns, "c0"))
        world.kube.create(CONFIGMAPS, config(ns, "the-graders"))
        end = audit.mark()
        world.operator.create(CONFIGMAPS, config(ns, "after"))
        writes = audit.writes(begin, end)
        assert [e.name for e in writes if e.code == 201] == [f"c{n}" for n in range(20)]
        assert len(writes) == 21
        assert len(audit.writes(begin, end, refused=False)) == 20
        assert len(audit.entries(begin, end, user="operator", verb="get")) == 20
        assert str(writes[0]) == f"create configmaps {ns}/c0 → 201"
        assert len(audit.writes(begin)) == 22
        assert audit.writes(begin, end, namespace="elsewhere") == []

    world.inside(count)


def test_quiet_finds_the_window_and_tells_the_writes_when_there_is_none(world: World) -> None:
    def look() -> None:
        lab, ns = world.lab, world.lab.namespace()
        lab.quiet(0.3, within=5, **WORDS)
        stop = threading.Event()
        thread = threading.Thread(target=lambda: write_until(stop, ns))
        thread.start()
        try:
            with pytest.raises(Failed) as caught:
                lab.quiet(0.5, within=1, **WORDS)
            with pytest.raises(Failed):
                lab.no_writes(0.3, **WORDS)
        finally:
            stop.set()
            thread.join()
        assert f"create configmaps {ns}/w" in caught.value.saw.en

    def write_until(stop: threading.Event, ns: str) -> None:
        number = 0
        while not stop.wait(0.02):
            number += 1
            world.operator.create(CONFIGMAPS, config(ns, f"w{number}"))

    world.inside(look)


def test_faults_are_injected_counted_and_cleared(world: World) -> None:
    def disturb() -> None:
        gate, ns = world.gate, world.lab.namespace()
        since = gate.seq()
        gate.faults(
            [
                Fault("create", "configmaps", "conflict", count=1),
                Fault("create", "configmaps", "503", count=1),
            ]
        )
        for reason in ("Conflict", "ServiceUnavailable"):
            with pytest.raises(Exception) as caught:
                world.operator.create(CONFIGMAPS, config(ns, "a"))
            assert getattr(caught.value, "reason", "") == reason, caught.value
        world.operator.create(CONFIGMAPS, config(ns, "a"))
        gate.clear()
        await_true(lambda: len(gate.requests(since)) == 3, 5, "the last one is noted once it is answered")
        seen = [r for r in gate.requests(since) if r.writes]
        assert [r.fault for r in seen] == ["conflict", "503", ""]
        assert gate.wait_request(seen[-1].seq, 0.1) is None

    world.inside(disturb)


def test_eventually_shows_a_difference_with_a_caret(world: World) -> None:
    def look() -> None:
        ns = world.lab.namespace()
        world.kube.create(CONFIGMAPS, config(ns, "a", x="1"))
        with pytest.raises(Failed) as caught:
            world.lab.eventually(
                lambda: world.kube.find(CONFIGMAPS, ns, "a"), want={"data": {"x": "2"}}, timeout=0.2, **WORDS
            )
        assert caught.value.saw.en.split("\n") == ["data:", "  x: 1", "  ^^^^ want: 2"]
        with pytest.raises(Failed) as caught:
            world.lab.eventually(
                lambda: world.kube.find(CONFIGMAPS, ns, "b"), want={"data": {}}, timeout=0.1, **WORDS
            )
        assert caught.value.saw.zh == "不存在"

    world.inside(look)


def test_the_kubelet_makes_the_pods_of_a_statefulset_ready(world: World) -> None:
    def roll() -> None:
        kube, kubelet, ns = world.kube, world.lab.kubelet, world.lab.namespace()
        kube.create(STATEFULSETS, statefulset(ns))
        kubelet.serve(ns)
        done = kube.wait(STATEFULSETS, ns, "main", lambda s: ready(s) == 3, timeout=20)
        assert done is not None
        kubelet.ready_pods(ns, "main", 1)
        kube.wait(STATEFULSETS, ns, "main", lambda s: ready(s) == 1, timeout=10)
        assert [is_ready(pod) for pod in kube.list(PODS, ns)] == [True, False, False]

    def ready(found: dict[str, Any] | None) -> int:
        return int((found or {}).get("status", {}).get("readyReplicas", 0))

    world.inside(roll)


def statefulset(ns: str) -> dict[str, Any]:
    labels = {"app": "main"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    spec = {"replicas": 3, "serviceName": "main", "selector": {"matchLabels": labels}, "template": pod}
    return {"metadata": {"namespace": ns, "name": "main"}, "spec": spec}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "application/apply-patch+yaml",
            b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n",
        ),
        ("application/merge-patch+json", b'{"data": {"a": "\xff"}}'),
        ("application/merge-patch+json", b'{"data": ' + b"[" * 1200 + b"]" * 1200 + b"}"),
        ("application/merge-patch+json", b'{"data": {"a": ' + b"9" * 5000 + b"}}"),
    ],
)
def test_no_body_hides_a_write_or_breaks_the_reading(world: World, kind: str, body: bytes) -> None:
    def write() -> list[str]:
        ns = world.lab.namespace()
        begin = world.lab.audit.mark()
        path = f"{CONFIGMAPS.path(ns, 'c')}?fieldManager=me"
        world.operator._http.patch(path, content=body, headers={"Content-Type": kind})
        return [entry.verb for entry in world.lab.audit.writes(begin, namespace=ns)]

    assert world.inside(write) == ["patch"]


def test_what_the_grader_cannot_write_is_the_learners(world: World) -> None:
    def write() -> None:
        ns = world.lab.namespace()
        with pytest.raises(Invalid) as told:
            world.kube.create(CONFIGMAPS, config(ns, "no/name"))
        assert isinstance(told.value, NotInTime)
        assert "no/name" in told.value.what.en
        assert told.value.status == 422

    world.inside(write)


def test_the_time_line_merges_its_sources_in_order(world: World) -> None:
    def line() -> list[dict[str, Any]]:
        steps = Steps()
        ns = world.lab.namespace()
        steps.add(Text("一", "one"))
        world.gate.faults([Fault("create", "configmaps", "500", count=1)])
        with pytest.raises(Exception, match="500"):
            world.operator.create(CONFIGMAPS, config(ns, "a"))
        world.operator.create(CONFIGMAPS, config(ns, "a"))
        world.lab.operator.on_lines([{"at": time.time(), "text": "done"}])
        return merge(world.lab, steps)

    rows = world.inside(line)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    last = [(row["source"], row["text"]) for row in rows if row["source"] in ("grader", "fault", "operator")][
        -3:
    ]
    assert [source for source, _ in last] == ["grader", "fault", "operator"]
    assert any(row["source"] == "audit" and "create configmaps" in row["text"] for row in rows)


def test_namespaces_of_a_run_are_not_to_be_guessed(world: World) -> None:
    names = world.inside(lambda: [world.lab.namespace("x") for _ in range(5)])
    assert len(set(names)) == 5
    known = world.inside(lambda: [n["metadata"]["name"] for n in world.kube.list(NAMESPACES)])
    assert set(names) <= set(known)
