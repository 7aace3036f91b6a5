"""The page of metrics: that it is there, in its format, for everybody, and of bounded size."""

from __future__ import annotations

import re
from collections import Counter
from typing import NoReturn

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.exposition import BadExposition, Exposition, parse
from labs.harness.guest import GuestRefused, Response
from labs.harness.traffic import Connection, Plan
from labs.tracers.tcp_connections.grading import plans
from labs.tracers.tcp_connections.grading.ledger import (
    CLOSED,
    CONN,
    EPHEMERAL,
    LABELS,
    LOST,
    MOST_DESTINATIONS,
    MOST_PORTS,
    OTHER,
    REASONS,
    STATES,
    Counts,
    counts_of,
    expected,
    lost_of,
)
from labs.tracers.tcp_connections.grading.world import METRICS, World, graded, grown

CLIENTS, TIMES = 3, 2
_PAGE = "=== page"
_TYPE = re.compile(r"text/plain\s*;(.*;)?\s*version=0\.0\.4\s*(;.*)?")


@graded("serves", running=False)
def serves(world: World) -> None:
    lab = world.lab
    before = world.draft()
    # stands already when the tracer comes, and is closed in the check "before"
    lab.traffic(plans.standing(before))
    lab.step(
        "启动你的程序，等待 /metrics", "start your program and wait for /metrics", "RING_BYTES= ./program"
    )
    world.start()
    page = world.page()
    if lost_of(page) is None:
        names = sorted({name for name, _ in page.samples})[:6]
        raise Failed(
            tried=Text("读取 /metrics", "read /metrics"),
            saw=Text(f"没有 {LOST}，有 {names}", f"no {LOST}, but {names}"),
            expected=Text(f"{LOST} 始终存在，不带标签", f"{LOST} is always there, without labels"),
            hint=Text(
                "没有丢失任何事件时它是 0，而不是不存在。starter 的 registry 里还什么都没有。",
                "While nothing is lost it is 0, not absent. There is nothing in the starter's registry yet.",
            ),
            command=f"curl {METRICS}",
        )


@graded("format")
def format_(world: World) -> None:
    lab = world.lab
    world.run(plans.little(world.draft()), lambda truth: expected(truth.connections))
    lab.step("逐行检查 /metrics 的格式", "check the format of /metrics line by line", f"curl -i {METRICS}")
    response = _fetch(world)
    kind = response.headers.get("content-type", "")
    if not _TYPE.fullmatch(kind):
        _wrong(
            f"Content-Type: {kind or '-'}",
            Text("Content-Type 是 text/plain; version=0.0.4", "a Content-Type of text/plain; version=0.0.4"),
            Text("promhttp.HandlerFor 会写好它。", "promhttp.HandlerFor writes it for you."),
        )
    try:
        page = parse(response.body)
    except BadExposition as bad:
        line = response.body.split(b"\n")[bad.line - 1 : bad.line]
        shown = line[0][:160].decode("utf-8", "replace") if line else ""
        _wrong(
            Text(f"{bad.text.zh}\n{shown}", f"{bad.text.en}\n{shown}"),
            Text("Prometheus 文本格式 0.0.4", "Prometheus' text format 0.0.4"),
            Text("在这一行上对照格式规则。", "Hold that line against the rules of the format."),
        )
    world.follow(page)
    text = response.body.decode("utf-8", "replace")
    for name in (CONN, CLOSED, LOST):
        if page.types.get(name) != "counter":
            _wrong(
                f"# TYPE {name} {page.types.get(name, '-')}",
                Text(f"{name} 的类型是 counter", f"{name} is of type counter"),
                Text(
                    "counter 只增不减，rate() 靠的就是这一点；gauge 不是。",
                    "A counter only grows, which is what rate() relies on; a gauge does not.",
                ),
            )
        if not re.search(rf"^# HELP {name} \S", text, re.MULTILINE):
            _wrong(
                f"# HELP {name}: -",
                Text(f"{name} 有一行 HELP", f"{name} has a HELP line"),
                Text(
                    "半年后读到它的人只有这一行。", "It is all that somebody has who meets it in half a year."
                ),
            )
    for name, wanted in LABELS.items():
        for labels, _ in page.series(name):
            _check_labels(name, labels, wanted)


def _check_labels(name: str, labels: dict[str, str], wanted: tuple[str, str]) -> None:
    values = STATES if name == CONN else REASONS
    if set(labels) != set(wanted):
        _wrong(
            f"{name}{{{', '.join(sorted(labels))}}}",
            Text(f"标签恰好是 {' 和 '.join(wanted)}", f"the labels are exactly {' and '.join(wanted)}"),
            Text(
                "多一个标签就多一维序列，少一个就无法区分。",
                "A label more is a dimension more of series; one less tells nothing apart.",
            ),
        )
    if labels[wanted[0]] not in values:
        _wrong(
            f'{name}{{{wanted[0]}="{labels[wanted[0]]}"}}',
            Text(f"{wanted[0]} 取 {'、'.join(values)}", f"{wanted[0]} is one of {', '.join(values)}"),
            Text("标签的值照抄任务书里的写法。", "Spell the values as the brief does."),
        )


def _fetch(world: World) -> Response:
    world.scrapes += 1
    try:
        response = world.lab.guest.get(METRICS)
    except GuestRefused as refused:
        _wrong(
            str(refused)[:200],
            Text("/metrics 有应答", "/metrics answers"),
            Text("程序还在监听吗？", "Is the program still listening?"),
        )
    if response.status != 200:
        _wrong(
            f"HTTP {response.status}",
            Text("HTTP 200", "HTTP 200"),
            Text("抓取不应该失败。", "A scrape should not fail."),
        )
    return response


def _wrong(saw: str | Text, expected: Text, hint: Text) -> NoReturn:
    seen = saw if isinstance(saw, Text) else Text(saw, saw)
    tried = Text("抓取 /metrics", "scraped /metrics")
    raise Failed(tried=tried, saw=seen, expected=expected, hint=hint, command=f"curl -i {METRICS}")


@graded("scrapes")
def scrapes(world: World) -> None:
    lab = world.lab
    lab.step(
        "一个客户端连上后不说话，同时另外三个各抓取两次",
        "one client connects and says nothing, while three others scrape twice each",
        f"nc 127.0.0.1 9435 & curl {METRICS}",
    )
    quiet = Connection(0, "overflow", "127.0.0.1", 9435, 0, "queued")
    lab.traffic(Plan((), (quiet,)))
    try:
        _scrape_together(world)
    finally:
        lab.release()
    world.judge(
        world.run(plans.little(world.draft()), lambda truth: expected(truth.connections)),
        tried=Text("抓取之后再建立 3 个连接", "made 3 connections after the scrapes"),
        expected=Text("计数照常进行", "counting goes on as before"),
    )


def _scrape_together(world: World) -> None:
    lab = world.lab
    pages = [world.page()]
    # busybox' nc: its wget looks up names, which a static program cannot
    script = (
        f"for c in $(seq {CLIENTS}); do (for i in $(seq {TIMES}); do echo '{_PAGE}'; "
        r"printf 'GET /metrics HTTP/1.0\r\n\r\n' | nc -w 10 127.0.0.1 9435; done > /tmp/scrape-$c) & done; "
        "wait; cat /tmp/scrape-*"
    )
    world.scrapes += CLIENTS * TIMES + 1
    _, output = lab.guest.run("sh", "-c", script, timeout=40.0)
    got = [_page_of(part) for part in output.split(f"{_PAGE}\n")[1:]]
    whole = [page for page in got if page is not None]
    if len(whole) != CLIENTS * TIMES:
        raise Failed(
            tried=Text("多个客户端同时抓取", "several clients scraped at once"),
            saw=Text(
                f"{CLIENTS * TIMES} 次抓取，得到 {len(whole)} 页",
                f"{CLIENTS * TIMES} scrapes got {len(whole)} pages",
            ),
            expected=Text("每次抓取都得到一页", "each scrape gets a page"),
            hint=Text(
                "一个连上却不发请求的客户端不能挡住别人：每个连接一个 goroutine（net/http 就是如此）。",
                "Who connects and sends nothing must not hold up the others: a goroutine for each connection, as "
                "net/http does it.",
            ),
            command=f"nc 127.0.0.1 9435 & curl {METRICS}",
        )
    for each in range(CLIENTS):
        world.never_fall([pages[0], *whole[each * TIMES : (each + 1) * TIMES]])
    world.never_fall([pages[0], world.page()])


def _page_of(answer: str) -> Exposition | None:
    """The page in an answer to HTTP/1.0; None when there is none."""
    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    if not re.match(r"HTTP/1\.[01] 200 ", head):
        return None
    try:
        return parse(body.encode())
    except BadExposition:
        return None


@graded("cardinality")
def cardinality(world: World) -> None:
    lab = world.lab
    before = counts_of(world.page())
    addresses = MOST_DESTINATIONS + lab.random.randint(20, 40)
    sources = MOST_PORTS + lab.random.randint(6, 12)
    plan = plans.scan(world.draft(), addresses, sources)
    lab.step(
        f"向 {addresses} 个新地址各发起一次连接，其中 {sources} 个来自不同的本地端口",
        f"connect to {addresses} new addresses once each, {sources} times from a different local port",
    )
    lab.traffic(plan)
    tried = Text(
        f"向 {addresses} 个新地址发起连接", f"made connections to {addresses} addresses that were new"
    )
    now: Counts = Counter()

    def look() -> dict[str, int]:
        nonlocal now
        now = counts_of(world.page())
        return _sums(grown(before, now))

    lab.eventually(
        look,
        want=dict.fromkeys(("syn_sent", "refused"), addresses),
        tried=tried,
        expected=Text(
            f"syn_sent 之和增加 {addresses}，refused 之和也是",
            f"the sum of syn_sent grows by {addresses}, and so does that of refused",
        ),
        hint=Text(
            "放不下的取值记为 other，不能丢掉：各序列之和始终精确。",
            "Values that do not fit are counted as other, not dropped: the sum over the series stays exact.",
        ),
        command=f"curl {METRICS}",
    )
    _bounded(now, CONN, "dst", MOST_DESTINATIONS, tried)
    _bounded(now, CLOSED, "src_port", MOST_PORTS, tried)


def _sums(counts: Counts) -> dict[str, int]:
    """New attempts and new refusals; scrapes make attempts, but only to a place that is known."""
    sums = {"syn_sent": 0, "refused": 0}
    for (family, label, value), count in counts.items():
        if (family, label) == (CONN, "syn_sent") and not value.endswith(":9435"):
            sums["syn_sent"] += count
        elif (family, label) == (CLOSED, "refused"):
            sums["refused"] += count
    return sums


def _bounded(now: Counts, family: str, label: str, most: int, tried: Text) -> None:
    values = {value for name, _, value in now if name == family} - {OTHER, EPHEMERAL}
    overflowed = any(name == family and value == OTHER for name, _, value in now)
    if len(values) <= most and overflowed:
        return
    zh = "，也没有 other" if not overflowed else ""
    en = ", and no other" if not overflowed else ""
    raise Failed(
        tried=tried,
        saw=Text(
            f"{family} 的 {label} 有 {len(values)} 个不同取值{zh}",
            f"{family} has {len(values)} different values of {label}{en}",
        ),
        expected=Text(f"至多 {most} 个，其余记为 other", f"{most} at most, the rest is other"),
        hint=Text(
            "一次端口扫描就能产生几万个序列，每个都占 Prometheus 的内存：先到先得，名额用完之后都记为 other。",
            "A port scan makes tens of thousands of series, each of which costs Prometheus memory: first come, first "
            "served, and once the places are taken the rest is other.",
        ),
        command=f"curl -s {METRICS} | grep -c {family}",
    )
