"""What came at the webhook, and whether it is what the brief says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.guest import Received
from labs.tracers.mesh_probe.grading.world import DEFAULT_WINDOW, WEBHOOK, World

FIELDS = ("kind", "dst", "value", "window_seconds")
KINDS = ("reset_streams", "reset_rate", "rtt")
NC = "nc -l -p 9800"
AT_ONCE = 3.0
LATE = 1.0  # for a guest whose only processor is busy with the traffic
_PATIENCE = 8.0  # the grader's own, for a call whose time is then looked at


@dataclass(frozen=True)
class Call:
    at: float
    kind: str
    dst: str
    value: float

    def __str__(self) -> str:
        return f"{self.kind} {self.dst} value={self.value:g}"


def new(world: World, before: int) -> list[Call]:
    """Those after the first `before`. Raises Failed for one that is not as the brief has it."""
    return [_call(received, world.window) for received in world.lab.guest.received(before)]


def so_far(world: World) -> int:
    """How many there were since the machine began."""
    return len(world.lab.guest.received())


def _call(received: Received, window: int) -> Call:
    kind = received.headers.get("content-type", "")
    body = received.body[:400]
    if received.method != "POST" or not kind.startswith("application/json"):
        _wrong(
            f"{received.method} {received.path}, Content-Type: {kind or '-'}",
            Text("POST，Content-Type 是 application/json", "a POST with Content-Type application/json"),
            Text('http.Post(url, "application/json", body)。', 'http.Post(url, "application/json", body).'),
        )
    try:
        found: Any = json.loads(received.body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or sorted(found) != sorted(FIELDS) or not _typed(found):
        _wrong(
            body,
            Text(
                f"恰好四个字段 {'、'.join(FIELDS)}，后两个是数字",
                f"exactly the four fields {', '.join(FIELDS)}, the last two numbers",
            ),
            Text("字段名用 json 标签写。", "Name the fields by their json tags."),
        )
    if found["kind"] not in KINDS or found["window_seconds"] != window:
        _wrong(
            body,
            Text(
                f"kind 是 {'、'.join(KINDS)} 之一，window_seconds 是 {window}",
                f"kind is one of {', '.join(KINDS)}, and window_seconds is {window}",
            ),
            Text(
                f"window_seconds 就是 PROBE_WINDOW，没有设的时候是 {DEFAULT_WINDOW}。",
                f"window_seconds is PROBE_WINDOW, and {DEFAULT_WINDOW} without it.",
            ),
        )
    return Call(received.at, found["kind"], found["dst"], float(found["value"]))


def _typed(found: dict[str, Any]) -> bool:
    numbers = all(
        isinstance(found[name], int | float) and not isinstance(found[name], bool) for name in FIELDS[2:]
    )
    return numbers and isinstance(found["kind"], str) and isinstance(found["dst"], str)


def _wrong(saw: str, expected: Text, hint: Text) -> NoReturn:
    tried = Text("读取 webhook 收到的请求", "read what came at the webhook")
    raise Failed(tried=tried, saw=Text(saw, saw), expected=expected, hint=hint, command=NC)


def await_call(world: World, before: int, kind: str, place: str, *, tried: Text, since: float) -> Call:
    """The call of that cause after the first `before`. Raises Failed for none, or one that comes late.

    `since`: when its condition was met, by the guest's clock.
    """

    def look() -> list[Call]:
        return [call for call in new(world, before) if (call.kind, call.dst) == (kind, place)]

    def hint(_seen: object) -> Text:
        others = "; ".join(map(str, new(world, before)[:4]))
        if others and not look():
            return Text(f"来的是：{others}。", f"What came: {others}.")
        return Text(
            f"条件成立的那一刻就调用，不要等窗口结束，也不要等下一次抓取。PROBE_WEBHOOK 是 {WEBHOOK}。",
            "Call the moment the condition holds; wait neither for the window's end nor for a scrape. PROBE_WEBHOOK "
            f"is {WEBHOOK}.",
        )

    found = world.lab.eventually(
        look,
        want=bool,
        tried=tried,
        expected=Text(f"webhook 收到 {kind}，dst 是 {place}", f"the webhook gets {kind} of {place}"),
        hint=hint,
        timeout=_PATIENCE,
        command=NC,
    )
    late = found[0].at - since
    if late > AT_ONCE + LATE:
        raise Failed(
            tried=tried,
            saw=Text(f"{late:.1f} 秒后：{found[0]}", f"after {late:.1f} s: {found[0]}"),
            expected=Text(f"{AT_ONCE:g} 秒之内", f"within {AT_ONCE:g} s"),
            hint=hint(None),
            command=NC,
        )
    return found[0]


def no_call(world: World, before: int, *, tried: Text, expected: Text, hint: Text, allowed: int = 0) -> None:
    """Raises Failed when more than `allowed` calls came after the first `before`, or come as long as one may take."""
    world.await_uptime(world.uptime() + AT_ONCE)
    came = new(world, before)
    if len(came) > allowed:
        text = "\n".join(map(str, came[:6]))
        raise Failed(
            tried=tried,
            saw=Text(f"webhook 收到 {len(came)} 次：\n{text}", f"the webhook got {len(came)}:\n{text}"),
            expected=expected,
            hint=hint,
            command=NC,
        )
