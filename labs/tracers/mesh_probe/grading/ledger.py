"""What a probe has to serve for a plan of traffic, and how far a page of metrics is from it.

The rules are the brief's, and the truth is the plan's. A series is (metric, value of each label in the order
of LABELS), say ("mesh_http2_5xx", "10.7.3.4:8080", "503").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from labs.harness.exposition import Exposition
from labs.harness.mesh import Destination, Handshake, MeshPlan, Truth

Series = tuple[str, ...]
Counts = Counter[Series]

RESPONSES, ERRORS, RESETS = "mesh_http2_responses_total", "mesh_http2_5xx", "mesh_http2_resets_total"
UNDECODABLE = "mesh_undecodable_connections_total"
P99, ALARMS = "mesh_rtt_p99_seconds", "mesh_rtt_alarms_total"
FAILURES, ALERTS = "mesh_tls_failures_total", "mesh_tls_alerts_total"
WEBHOOKS = "mesh_webhooks_total"
LABELS: dict[str, tuple[str, ...]] = {
    RESPONSES: ("dst",),
    ERRORS: ("dst", "status"),
    RESETS: ("dst", "by", "code"),
    UNDECODABLE: ("dst", "reason"),
    P99: ("dst",),
    ALARMS: ("dst",),
    FAILURES: ("dst", "version", "reason"),
    ALERTS: ("alert",),
    WEBHOOKS: ("result",),
}
GAUGES = (ERRORS, P99)
# what a plan's traffic decides; of these every series is compared
DECIDED = (RESPONSES, ERRORS, RESETS, UNDECODABLE, FAILURES, ALERTS)
RESULTS = ("sent", "failed", "dropped")
LEAST_ERRORS, LEAST_STREAMS = 5, 3

# RFC 9113, section 7, and RFC 8446, section 6: those that the traffic has
CODES = {0: "NO_ERROR", 2: "INTERNAL_ERROR", 7: "REFUSED_STREAM", 8: "CANCEL"}
ALERT_NAMES = {
    0: "close_notify",
    40: "handshake_failure",
    42: "bad_certificate",
    48: "unknown_ca",
    70: "protocol_version",
    116: "certificate_required",
    120: "no_application_protocol",
}
_GO_SERVERS = ("tls", "h2")


def dst(place: Destination) -> str:
    return f"{place[0]}:{place[1]}"


def expected(plan: MeshPlan, truth: Truth, old: Collection[int] = ()) -> Counts:
    """What is to be counted of `truth`, which is the plan's or a part of it. `old`: sessions from before the probe."""
    seen = truth.visible()
    counts: Counts = Counter()
    errors: Counts = Counter()
    for reply in seen.replies:
        if reply.session not in old:
            counts[RESPONSES, dst(reply.server)] += 1
            if 500 <= reply.status <= 599:
                errors[ERRORS, dst(reply.server), str(reply.status)] += 1
    counts.update(exported(errors))
    for reset in seen.streams:
        if reset.session not in old:
            code = CODES.get(reset.code, str(reset.code))
            counts[RESETS, dst(reset.server), reset.by, code] += reset.frames
    counts.update((UNDECODABLE, dst(broken.server), "gap") for broken in seen.broken)
    for handshake in truth.handshakes:
        counts.update(_failure(handshake))
        counts.update(_alert(plan, handshake))
    return counts


def given_up(sessions: Iterable[Destination]) -> Counts:
    """Connections to these servers that stood before the probe."""
    return Counter((UNDECODABLE, dst(place), "midstream") for place in sessions)


def exported(errors: Counts) -> Counts:
    """Of 5xx in the window, those of servers that have enough."""
    sums: Counter[str] = Counter()
    for series, count in errors.items():
        sums[series[1]] += count
    return Counter({series: count for series, count in errors.items() if sums[series[1]] >= LEAST_ERRORS})


def _failure(handshake: Handshake) -> list[Series]:
    place, alert = dst(handshake.server), ALERT_NAMES.get(handshake.alert, str(handshake.alert))
    if not handshake.failed:
        return []
    if not handshake.answered:
        return [(FAILURES, place, "none", alert if handshake.alert else "no_server_hello")]
    if handshake.version == "1.2" and handshake.alert and not handshake.hidden:
        return [(FAILURES, place, "1.2", alert)]
    return []


def _alert(plan: MeshPlan, handshake: Handshake) -> list[Series]:
    """The alert, when a Go program sent it."""
    if not handshake.alert:
        return []
    client = next(s.kind for s in plan.sessions if s.id == handshake.session)
    go = client == "tls" if handshake.by == "client" else plan.server(handshake.server).kind in _GO_SERVERS
    return [(ALERTS, ALERT_NAMES[handshake.alert])] if go else []


def counts_of(page: Exposition) -> Counts:
    """What of a page a plan decides. Samples that do not have exactly their labels are left out."""
    counts: Counts = Counter()
    for metric in DECIDED:
        wanted = LABELS[metric]
        for labels, value in page.series(metric):
            if set(labels) == set(wanted) and value and labels.get("version") != "1.3":
                counts[(metric, *(labels[name] for name in wanted))] = int(value)
    return counts


def grown(before: Counts, now: Counts) -> Counts:
    """By how much each counter grew, and what each gauge is."""
    keys = set(now) | set(before)
    return Counter(
        {
            key: count
            for key in keys
            if (count := now[key] - (0 if key[0] in GAUGES else before[key])) or key[0] in GAUGES
        }
    )


def name(series: Series) -> str:
    """As it is on the page."""
    pairs = zip(LABELS[series[0]], series[1:], strict=True)
    labels = ",".join(f'{key}="{value}"' for key, value in pairs)
    return f"{series[0]}{{{labels}}}"


def show(wrong: dict[Series, tuple[int, int]], most: int = 8) -> str:
    """Rows of seen ≠ wanted, what is missing first."""
    rows = sorted(wrong.items(), key=lambda row: (row[1][0] - row[1][1], row[0]))
    lines = [f"{seen} ≠ {want}  {name(series)}" for series, (seen, want) in rows[:most]]
    return "\n".join([*lines, f"… {len(rows) - most}"] if len(rows) > most else lines)
