"""The corrections' commands, run again on a real API server; and the chapter's own operator at work."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.content.machine import Cluster, environment, run, seen, steady
from tests.content.reading import EXAMPLES

pytestmark = pytest.mark.system
OPERATORS = EXAMPLES / "operators"


@pytest.mark.parametrize("name", ["generation", "condition", "conflict", "finalizer", "noop", "owner"])
def test_a_script_about_site_prints_what_the_chapter_shows(
    cluster: Cluster, no_site: None, name: str
) -> None:
    _, said = cluster.run(["sh", f"{name}.sh"], OPERATORS)
    assert steady(said) == steady(seen(f"operators/seen/{name}.txt"))


@pytest.mark.parametrize("name", ["leader", "policy", "quota", "deadline"])
def test_a_script_prints_what_the_chapter_shows(compiled: None, cluster: Cluster, name: str) -> None:
    _, said = cluster.run(["sh", f"{name}.sh"], OPERATORS)
    assert steady(said) == steady(seen(f"operators/seen/{name}.txt"))


def test_create_or_update_writes_as_the_chapter_shows(compiled: None, cluster: Cluster) -> None:
    _, said = cluster.run(["go", "run", "./defaults"], OPERATORS)
    cluster.run(["kubectl", "delete", "deployment", "replace-list", "set-fields"], OPERATORS)
    assert steady(said) == steady(seen("operators/seen/defaults.txt"))


def test_changes_end_at_a_compaction(compiled: None, etcd: dict[str, str]) -> None:
    _, said = run(["go", "run", "./changes"], OPERATORS, environment(etcd))
    assert steady(said) == steady(seen("operators/seen/changes.txt"))


def test_a_damaged_snapshot_is_noticed(compiled: None, etcd: dict[str, str]) -> None:
    _, said = run(["sh", "snapshot.sh"], OPERATORS, environment(etcd))
    assert steady(said) == steady(seen("operators/seen/snapshot.txt"))


def _await(what: str, holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


class _Site:
    """The chapter's operator and what a person would ask the cluster about it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def kubectl(self, *words: str) -> str:
        return self.cluster.run(["kubectl", *words], OPERATORS)[1].strip()

    def field(self, what: str, path: str) -> str:
        return self.kubectl("get", *what.split(), "-o", f"jsonpath={{{path}}}", "--ignore-not-found")


@pytest.fixture
def site(compiled: None, cluster: Cluster, no_site: None, tmp_path: Path) -> Iterator[_Site]:
    code, said = run(["go", "build", "-o", tmp_path / "site", "./site"], OPERATORS, environment())
    assert code == 0, said
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            cluster.inside([tmp_path / "site"]), env=cluster.env, stdout=log, stderr=log
        )
        try:
            yield _Site(cluster)
        finally:
            process.kill()
            process.wait()


def test_the_chapters_operator_keeps_what_the_chapter_says(site: _Site, cluster: Cluster) -> None:
    site.kubectl("create", "-f", "site/site.yaml")
    _await("children", lambda: site.field("deployment hello", ".spec.replicas") == "2")
    available = '.status.conditions[?(@.type=="Available")].reason'
    _await("status", lambda: site.field("site hello", available) == "ReplicasNotReady")
    owner = site.field("configmap hello-page", ".metadata.ownerReferences[0].uid")
    assert owner == site.field("site hello", ".metadata.uid")
    assert site.field("configmap site-directory", ".data.hello") == "hello.default.svc"

    site.kubectl("scale", "deployment", "hello", "--replicas=7")
    _await("drift repaired", lambda: site.field("deployment hello", ".spec.replicas") == "2")
    site.kubectl("patch", "site", "hello", "--type=merge", "-p", '{"spec":{"page":"new"}}')
    _await("the generation seen", lambda: site.field("site hello", ".status.observedGeneration") == "2")

    _await("no more writes", lambda: _quiet(cluster, 1.0))
    before = cluster.writes("site/")
    site.kubectl("annotate", "site", "hello", "note=look")
    assert _quiet(cluster, 2.0)
    assert cluster.writes("site/") == before

    site.kubectl("delete", "site", "hello", "--timeout=20s")
    assert site.field("configmap site-directory", ".data.hello") == ""
    _await("garbage collected", lambda: site.field("deployment hello", ".metadata.name") == "")


def _quiet(cluster: Cluster, seconds: float) -> bool:
    """Whether the operator writes nothing for this long: an absence can only be watched for a while."""
    before = cluster.writes("site/")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if cluster.writes("site/") != before:
            return False
        time.sleep(0.1)
    return True
