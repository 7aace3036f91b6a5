"""What the checks share: one Database as the grader sees it, and what the brief promises of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from labs.harness.checks import CheckFunction, Failed
from labs.harness.events import Text
from labs.harness.kube import CONFIGMAPS, SERVICES, STATEFULSETS, Kind, NotFound, Obj
from labs.harness.operator_lab import OperatorLab

DATABASES = Kind("database.example.com", "v1", "databases", "Database")
CHECKS: dict[str, CheckFunction] = {}
FINALIZER = "database.example.com/cleanup"
REGISTRY = "database-registry"
ENGINES = {
    "postgres": ("registry.example.com/postgres:17.6", 5432),
    "mysql": ("registry.example.com/mysql:8.4", 3306),
    "redis": ("registry.example.com/redis:8.2", 6379),
}


def graded(id_: str) -> Callable[[Callable[[OperatorLab], None]], CheckFunction]:
    """A check that begins and ends without faults, with a running operator.

    When it fails and the operator's process is gone, that is what the learner is told first.
    """

    def remember(function: Callable[[OperatorLab], None]) -> CheckFunction:
        @wraps(function)
        def run(lab: OperatorLab) -> None:
            lab.gate.clear()
            if not lab.operator.running and lab.operator.lines:
                lab.operator.start()
            try:
                function(lab)
            except Failed as failed:
                raise _with_exit(lab, failed) from None
            except (NotFound, TimeoutError) as missing:
                raise _with_exit(lab, _missing(missing)) from None
            finally:
                lab.gate.clear()

        CHECKS[id_] = run
        return run

    return remember


def _missing(error: Exception) -> Failed:
    """The grader needed an object that was there a moment ago, or a pod that never came."""
    return Failed(
        tried=Text("继续操作刚才还在的对象", "went on with an object that had been there"),
        saw=Text(f"它不在：{error}", f"it is not there: {error}"),
        expected=Text("子对象一直存在", "the children stay"),
        hint=Text(
            "看看是谁删除或没有创建它：时间线里有每一次写入。",
            "See in the time line who deleted it, or never made it: every write is there.",
        ),
    )


def _with_exit(lab: OperatorLab, failed: Failed) -> Failed:
    if lab.operator.running or "SIGTERM" in failed.tried.en:
        return failed
    zh, en = lab.operator.wait_exit(1.0).describe()
    last = "\n".join(line.text[:240] for line in lab.operator.lines[-3:])
    failed.hint = Text(
        f"你的进程已经退出（{zh}），最后的输出：\n{last}",
        f"Your process has ended ({en}). Its last words:\n{last}",
    )
    return failed


@dataclass
class Db:
    """One Database that the grader made; `size` and `engine` are what was asked for last."""

    lab: OperatorLab
    namespace: str
    name: str
    engine: str
    size: int
    uid: str
    generation: int = 1

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def read(self) -> Obj | None:
        return self.lab.kube.find(DATABASES, self.namespace, self.name)

    def statefulset(self) -> Obj | None:
        return self.lab.kube.find(STATEFULSETS, self.namespace, self.name)

    def service(self) -> Obj | None:
        return self.lab.kube.find(SERVICES, self.namespace, self.name)

    def record(self) -> Obj | None:
        return self.lab.kube.find(CONFIGMAPS, REGISTRY, f"{self.namespace}.{self.name}")

    def status(self) -> Obj:
        """Its status reduced to what the brief names; {} when there is none."""
        return status_facts(self.read())

    def change(self, *, size: int = 0, engine: str = "") -> None:
        """Write spec; remembers what was asked for and the new generation."""
        self.size, self.engine = size or self.size, engine or self.engine
        spec = {"spec": {"size": self.size, "engine": self.engine}}
        changed = self.lab.kube.patch(DATABASES, self.namespace, self.name, spec)
        self.generation = changed["metadata"]["generation"]

    def annotate(self, kind: Kind, key: str, value: str) -> None:
        """As a colleague would, on the Database or the child of that kind."""
        patch = {"metadata": {"annotations": {key: value}}}
        self.lab.kube.patch(kind, self.namespace, self.name, patch)

    def delete(self) -> None:
        self.lab.kube.delete(DATABASES, self.namespace, self.name)

    def kubectl(self, what: str) -> str:
        return f"kubectl -n {self.namespace} get {what} {self.name} -o yaml"


def make(
    lab: OperatorLab,
    namespace: str,
    *,
    engine: str = "",
    size: int = 0,
    name: str = "",
    finalizers: tuple[str, ...] = (),
) -> Db:
    """A new Database; what is not given is drawn from the seed (size 1 to 3)."""
    name = name or lab.name("db")
    engine = engine or lab.random.choice(sorted(ENGINES))
    size = size or lab.random.randint(1, 3)
    meta: Obj = {"namespace": namespace, "name": name, "finalizers": list(finalizers)}
    obj = lab.kube.create(DATABASES, {"metadata": meta, "spec": {"size": size, "engine": engine}})
    lab.step(
        f"创建 Database {namespace}/{name}：engine={engine}，size={size}",
        f"create Database {namespace}/{name}: engine={engine}, size={size}",
        f"kubectl -n {namespace} get db {name}",
    )
    return Db(lab, namespace, name, engine, size, obj["metadata"]["uid"])


def other_engine(db: Db) -> str:
    return db.lab.random.choice(sorted(set(ENGINES) - {db.engine}))


def selector(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "database", "app.kubernetes.io/instance": name}


def labels(name: str) -> dict[str, str]:
    return {**selector(name), "app.kubernetes.io/managed-by": "database-operator"}


def status_facts(obj: Obj | None) -> Obj:
    """{observedGeneration, readyReplicas, Ready: "False ReplicasNotReady", Progressing: …}."""
    status = (obj or {}).get("status") or {}
    facts: Obj = {key: status.get(key) for key in ("observedGeneration", "readyReplicas")}
    if facts["readyReplicas"] is None and status:
        facts["readyReplicas"] = 0  # a status that leaves out a zero says the same
    for one in status.get("conditions") or []:
        facts[one["type"]] = f"{one['status']} {one['reason']}"
    return facts


def ready_facts(db: Db) -> Obj:
    """The status of a Database whose replicas all run its latest spec."""
    return {
        "observedGeneration": db.generation,
        "readyReplicas": db.size,
        "Ready": "True AllReplicasReady",
        "Progressing": "False RolledOut",
    }


def condition(obj: Obj | None, kind: str) -> Obj:
    found = ((obj or {}).get("status") or {}).get("conditions") or []
    return next((one for one in found if one["type"] == kind), {})


def statefulset_facts(obj: Obj | None) -> Obj | None:
    """What the brief fixes of a StatefulSet, in a shape where a difference is easy to see."""
    if obj is None:
        return None
    template = obj["spec"]["template"]
    return {
        "labels": _ours(obj["metadata"].get("labels")),
        "replicas": obj["spec"].get("replicas"),
        "serviceName": obj["spec"].get("serviceName"),
        "selector": _sorted(obj["spec"]["selector"].get("matchLabels")),
        "template labels": _ours(template["metadata"].get("labels")),
        "containers": [
            {
                "name": one["name"],
                "image": one.get("image"),
                "ports": [
                    {"name": p.get("name"), "containerPort": p["containerPort"]} for p in one.get("ports", [])
                ],
            }
            for one in template["spec"]["containers"]
        ],
    }


def service_facts(obj: Obj | None) -> Obj | None:
    """What the brief fixes of a Service."""
    if obj is None:
        return None
    return {
        "labels": _ours(obj["metadata"].get("labels")),
        "clusterIP": obj["spec"].get("clusterIP"),
        "selector": _sorted(obj["spec"].get("selector")),
        "ports": [
            {"name": p.get("name"), "port": p["port"], "targetPort": p.get("targetPort")}
            for p in obj["spec"].get("ports") or []  # a headless Service may have none
        ],
    }


def record_facts(obj: Obj | None) -> Obj | None:
    """What the brief fixes of a record; data as lines, since it must be exactly this."""
    if obj is None:
        return None
    return {"labels": _ours(obj["metadata"].get("labels")), "data": _sorted(obj.get("data"))}


def wanted_statefulset(db: Db) -> Obj:
    image, port = ENGINES[db.engine]
    return {
        "labels": labels(db.name),
        "replicas": db.size,
        "serviceName": db.name,
        "selector": _sorted(selector(db.name)),
        "template labels": labels(db.name),
        "containers": [
            {"name": "database", "image": image, "ports": [{"name": "db", "containerPort": port}]}
        ],
    }


def wanted_service(db: Db) -> Obj:
    port = ENGINES[db.engine][1]
    return {
        "labels": labels(db.name),
        "clusterIP": "None",
        "selector": _sorted(selector(db.name)),
        "ports": [{"name": "db", "port": port, "targetPort": port}],
    }


def wanted_record(db: Db) -> Obj:
    port = ENGINES[db.engine][1]
    data = {"engine": db.engine, "address": f"{db.name}.{db.namespace}.svc:{port}"}
    return {"labels": labels(db.name), "data": _sorted(data)}


def _ours(found: dict[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (found or {}).items() if key in labels("")}


def _sorted(pairs: dict[str, str] | None) -> list[str]:
    return [f"{key}={value}" for key, value in sorted((pairs or {}).items())]


def uid_of(obj: Obj | None) -> Any:
    return obj["metadata"]["uid"] if obj else None
