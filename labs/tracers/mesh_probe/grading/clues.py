"""One sentence for a learner whose counts are off, computed from how they are off."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labs.harness.events import Text
from labs.tracers.mesh_probe.grading import ledger
from labs.tracers.mesh_probe.grading.ledger import Series

if TYPE_CHECKING:
    from labs.tracers.mesh_probe.grading.world import Seen

Wrong = dict[Series, tuple[int, int]]


def clue(wrong: Wrong, seen: Seen) -> Text:
    """What most likely is behind it."""
    for guess in (
        _stranger,
        _hanging,
        _nothing,
        _nonsense,
        _given_up,
        _doubled,
        _old,
        _codes,
        _statuses,
        _grpc,
        _tls,
        _fewer,
    ):
        text = guess(wrong, seen)
        if text is not None:
            return text
    return Text(
        "逐行对照：哪一行多，哪一行少，少的是不是跑到了多的那一行里？",
        "Compare line by line: is what is missing in one the surplus of another?",
    )


def _stranger(wrong: Wrong, seen: Seen) -> Text | None:
    watched = {series[1] for series in seen.wanted}
    strange = sorted(
        s[1] for s, (n, want) in wrong.items() if n and not want and s[1] not in watched and ":" in s[1]
    )
    places = {f"{s.address}:{s.port}" for s in seen.plan.servers}
    if strange and strange[0] not in places:
        return Text(
            f"{strange[0]} 不是服务器。dst 是收到 SYN 的那一端；先弄清这个包是哪一方发的。",
            f"{strange[0]} is no server. dst is the end that got the SYN: find out first which side sent this packet.",
        )
    return None


def _nothing(wrong: Wrong, seen: Seen) -> Text | None:
    if any(seen.counts.values()):
        return None
    return Text(
        "什么都没有计到。过滤器挂上了吗，socket 绑定在 PROBE_INTERFACE 上吗，trie 里的地址是网络字节序吗？",
        "Nothing was counted at all. Is the filter attached, the socket bound to PROBE_INTERFACE, and are the trie's "
        "addresses in network byte order?",
    )


def _hanging(wrong: Wrong, seen: Seen) -> Text | None:
    """Of a ClientHello that is left without an answer."""
    stuck = {ledger.dst(s.server) for s in seen.plan.sessions if s.fate == "stuck"}
    for series, (count, want) in sorted(wrong.items()):
        if series[0] != ledger.FAILURES or series[1] not in stuck:
            continue
        if count < want:
            return Text(
                f"到 {series[1]} 的 ClientHello 没有回答，连接还开着。不会再有包来提醒你："
                "要有人定时去看谁等了超过 5 秒。",
                f"The ClientHello to {series[1]} has no answer and its connection is open. No packet will remind you: "
                "somebody has to look now and then who has waited for more than 5 seconds.",
            )
        return Text(
            f"{ledger.name(series)} 多了 {count - want} 次：5 秒之前不计；5 秒时计过的，连接结束时不再计。",
            f"{ledger.name(series)} has {count - want} too many: none before the 5 seconds are over, and what was "
            "counted then is not counted again when the connection ends.",
        )
    return None


def _nonsense(wrong: Wrong, seen: Seen) -> Text | None:
    """Of a connection that had to be given up in its midst."""
    for broken in seen.truth.broken:
        place = ledger.dst(broken.server)
        count, want = wrong.get((ledger.UNDECODABLE, place, "gap"), (1, 1))
        surplus = wrong.get((ledger.RESPONSES, place), (0, 0))
        if count < want:
            return Text(
                f"到 {place} 的连接上，有一个头部块引用了表里没有的条目。解码出错之后，你的表和发送方的表"
                '不再一致：以 reason="gap" 放弃这个连接。',
                f"On the connection to {place} a header block refers to an entry that is in no table. After an error "
                'your table is not the sender\'s any more: give the connection up, with reason="gap".',
            )
        more = surplus[0] - surplus[1]
        if more > 0:
            return Text(
                f"到 {place} 的连接已经放弃，之后的 {more} 个响应不应再计：表不可信，解出的状态码也不可信。",
                f"The connection to {place} was given up, yet {more} responses after that were counted: the table "
                "cannot be trusted any more, and so no status can.",
            )
    return None


def _given_up(wrong: Wrong, seen: Seen) -> Text | None:
    for series, (count, want) in sorted(wrong.items()):
        if series[0] == ledger.UNDECODABLE and count > want:
            return Text(
                f"{series[1]} 的 {count} 个连接被放弃（{series[2]}），应当是 {want} 个。"
                "解码出错，还是顺序没有排好？一个帧可能还没有收全。",
                f"{count} connections to {series[1]} were given up ({series[2]}), it should be {want}. Did decoding "
                "fail, or was something not put in order? A frame may not be complete yet.",
            )
    return None


def _doubled(wrong: Wrong, seen: Seen) -> Text | None:
    if all(want and count == 2 * want for count, want in wrong.values()):
        return Text(
            "每一个都计了两次：同一个包被看到两次，或者重传的数据又解码了一遍？",
            "Each was counted twice: is a packet seen twice, or retransmitted data decoded again?",
        )
    return None


def _old(wrong: Wrong, seen: Seen) -> Text | None:
    lacking = [
        s for s, (n, want) in wrong.items() if s[::2] == (ledger.UNDECODABLE, "midstream") and n < want
    ]
    if not lacking:
        return None
    return Text(
        f"到 {lacking[0][1]} 的连接在探针启动之前就有了：没有看到它的 SYN，也就不知道 HPACK 表里有什么。"
        "计入 midstream，不要解码。",
        f"The connection to {lacking[0][1]} stood before the probe: its SYN was not seen, so its HPACK table is not "
        "known. Count it as midstream, and decode nothing of it.",
    )


def _codes(wrong: Wrong, seen: Seen) -> Text | None:
    resets = {s: pair for s, pair in wrong.items() if s[0] == ledger.RESETS}
    for series, (count, want) in sorted(resets.items()):
        for other, (less, more) in sorted(resets.items()):
            if count > want and less < more and series[1] == other[1]:
                return Text(
                    f"应当是 by={other[2]}、code={other[3]} 的被计成了 by={series[2]}、code={series[3]}。",
                    f"What is by={other[2]}, code={other[3]} was counted as by={series[2]}, code={series[3]}.",
                )
    return None


def _statuses(wrong: Wrong, seen: Seen) -> Text | None:
    """5xx that lack or are wrong, though every response was counted."""
    errors = {s: pair for s, pair in wrong.items() if s[0] == ledger.ERRORS}
    if not errors or any(s[0] == ledger.RESPONSES for s in wrong):
        return None
    small = Counter(s[1] for s, (n, want) in errors.items() if n and not want)
    if small and all(not want for _, want in errors.values()):
        place = min(small)
        total = sum(n for s, (n, _) in errors.items() if s[1] == place)
        return Text(
            f"{place} 的窗口里是 {total} 个 5xx：窗口之内、同一个 dst、合起来至少 5 个，才导出。",
            f"{place} has {total} of 5xx there: they are exported only when one dst has 5 or more within the window.",
        )
    lacks = next((s for s, (n, want) in sorted(errors.items()) if n < want), None)
    if lacks is None:
        return None
    return Text(
        f"所有响应都计到了，但少了 status={lacks[2]}：静态表里只有 200、204、206、304、400、404、500，"
        "其余第一次是字面值，之后是动态表的引用。",
        f"Every response was counted, but status={lacks[2]} is missing. The static table has 200, 204, 206, 304, 400, "
        "404 and 500 only; others are literal once, and then references to the dynamic table.",
    )


def _grpc(wrong: Wrong, seen: Seen) -> Text | None:
    places = {f"{s.address}:{s.port}" for s in seen.plan.servers if s.kind == "grpc"}
    off = [
        (s, pair) for s, pair in sorted(wrong.items()) if len(s) > 1 and s[1] in places and pair[0] > pair[1]
    ]
    if not off:
        return None
    return Text(
        "gRPC 的错误在 trailers 的 grpc-status 里，:status 是 200；trailers 也是 HEADERS 帧，但不是响应。",
        "An error of gRPC is in its trailers' grpc-status, and :status is 200. Trailers are HEADERS too, but no "
        "response.",
    )


def _tls(wrong: Wrong, seen: Seen) -> Text | None:
    # what lacks tells more than what is there in its place
    for series, (count, want) in sorted(wrong.items(), key=lambda row: row[1][0] - row[1][1]):
        if series[0] == ledger.FAILURES and count < want:
            return Text(
                f"{series[1]} 上 version={series[2]}、reason={series[3]} 的失败少了 {want - count} 次。"
                "记录的类型在第一个字节，告警是 21，它的第二个字节是编号。",
                f"{want - count} failures of version={series[2]}, reason={series[3]} at {series[1]} are missing. A "
                "record's type is its first byte; an alert is 21, and its second byte the number.",
            )
        if series[0] == ledger.ALERTS and count < want:
            return Text(
                f"alert={series[1]} 少了 {want - count} 次：Go 用寄存器传参，第二个参数在 BX，取最低一个字节。",
                f"{want - count} of alert={series[1]} are missing: Go passes arguments in registers, the second one in "
                "BX, of which the lowest byte counts.",
            )
        if series[0] in (ledger.FAILURES, ledger.ALERTS):
            return Text(
                f"{ledger.name(series)} 多了 {count - want} 次：正常的结束（close_notify）和成功的握手都不算。",
                f"{ledger.name(series)} has {count - want} too many: an orderly end (close_notify) and a handshake "
                "that succeeds do not count.",
            )
    return None


def _fewer(wrong: Wrong, seen: Seen) -> Text | None:
    if any(count > want for count, want in wrong.values()):
        return None
    series, (count, want) = min(wrong.items())
    return Text(
        f"{ledger.name(series)} 少了 {want - count}：一个包里可以有许多帧，一个帧可以跨许多包。",
        f"{ledger.name(series)} lacks {want - count}: one packet may hold many frames, one frame may span many "
        "packets.",
    )
