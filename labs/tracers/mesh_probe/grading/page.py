"""The page of metrics: that it is there, and in its format."""

from __future__ import annotations

import re
from typing import NoReturn

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.exposition import Exposition
from labs.harness.mesh import Exchange
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.ledger import GAUGES, LABELS, RESULTS, WEBHOOKS, name
from labs.tracers.mesh_probe.grading.world import CURL, World, graded

_TYPE = re.compile(r"text/plain\s*;(.*;)?\s*version=0\.0\.4\s*(;.*)?")


@graded("serves", running=False)
def serves(world: World) -> None:
    lab = world.lab
    lab.guest.mesh_start()
    # stand already when the probe comes, and are used again in the check "before"
    world.old = plans.standing(world)
    world.mesh(world.old)
    lab.step(
        "启动你的程序，等待 /metrics",
        "start your program and wait for /metrics",
        "PROBE_INTERFACE=mesh0 PROBE_CIDRS=… PROBE_WINDOW=… PROBE_WEBHOOK=… PROBE_TLS_BINARY=… ./program",
    )
    world.start()
    page = world.page()
    there = page.label_values(WEBHOOKS, "result")
    if not set(RESULTS) <= there:
        names = sorted({metric for metric, _ in page.samples})[:6]
        raise Failed(
            tried=Text("读取 /metrics", "read /metrics"),
            saw=Text(
                f"{WEBHOOKS} 的 result 有 {sorted(there)}；指标有 {names}",
                f"results of {WEBHOOKS}: {sorted(there)}; the metrics: {names}",
            ),
            expected=Text(
                f"{WEBHOOKS} 从一开始就有 {'、'.join(RESULTS)} 三个序列",
                f"{WEBHOOKS} has its three series {', '.join(RESULTS)} from the start",
            ),
            hint=Text(
                "没有发生过的也要是 0：对每个 result 先调用一次 WithLabelValues。starter 的 registry 里还什么都没有。",
                "What never happened is 0: call WithLabelValues once for each result. There is nothing in the "
                "starter's registry yet.",
            ),
            command=CURL,
        )


@graded("format")
def format_(world: World) -> None:
    lab = world.lab
    server = world.network.server("h2c")
    count = plans.some(world, 5, 8)
    traffic = plans.plan(
        (server,),
        (plans.session(world, "h2", server, Exchange("status", 503, count), Exchange("abort", 200)),),
    )
    lab.step(
        f"{count} 个 503 和一次重置之后，逐行检查 /metrics",
        f"after {count} responses of 503 and one reset, check /metrics line by line",
        CURL,
    )
    # what is counted is for the checks that follow
    world.run(traffic, accept=lambda series: series[0].endswith("_total"))
    _check(world.page(), lab.guest.get(world.lab.metrics).headers.get("content-type", ""))


def _check(page: Exposition, kind: str) -> None:
    if not _TYPE.fullmatch(kind):
        _wrong(
            f"Content-Type: {kind or '-'}",
            Text("Content-Type 是 text/plain; version=0.0.4", "a Content-Type of text/plain; version=0.0.4"),
            Text("promhttp.HandlerFor 会写好它。", "promhttp.HandlerFor writes it for you."),
        )
    for metric, wanted in LABELS.items():
        type_ = "gauge" if metric in GAUGES else "counter"
        rows = page.series(metric)
        if rows and page.types.get(metric) != type_:
            _wrong(
                f"# TYPE {metric} {page.types.get(metric, '-')}",
                Text(f"{metric} 的类型是 {type_}", f"{metric} is of type {type_}"),
                Text(
                    "窗口里的数目会减小，所以是 gauge；只增不减的是 counter。",
                    "What is in a window also falls, so it is a gauge; what only grows is a counter.",
                ),
            )
        for labels, _ in rows:
            if set(labels) != set(wanted):
                _wrong(
                    f"{metric}{{{', '.join(sorted(labels))}}}",
                    Text(f"标签恰好是 {'、'.join(wanted)}", f"the labels are exactly {', '.join(wanted)}"),
                    Text(
                        "多一个标签就多一维序列，少一个就无法区分。",
                        "One label more multiplies the series; with one less, things cannot be told apart.",
                    ),
                )
            if "dst" in labels and not re.fullmatch(r"[\d.]+:\d+", labels["dst"]):
                series = (metric, *(labels[label] for label in wanted))
                _wrong(
                    name(series),
                    Text("dst 形如 10.244.3.7:8080", "dst is written like 10.244.3.7:8080"),
                    Text(
                        "netip.AddrPort 的 String() 就是这样写的。",
                        "String() of netip.AddrPort writes it like this.",
                    ),
                )


def _wrong(saw: str, expected: Text, hint: Text) -> NoReturn:
    tried = Text("抓取 /metrics", "scraped /metrics")
    raise Failed(tried=tried, saw=Text(saw, saw), expected=expected, hint=hint, command=CURL)
