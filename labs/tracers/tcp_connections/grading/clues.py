"""One sentence for a learner whose counts are off, computed from how they are off."""

from __future__ import annotations

from labs.harness.events import Text
from labs.tracers.tcp_connections.grading.ledger import (
    CLOSED,
    CONN,
    EITHER,
    EPHEMERAL,
    Counts,
    Difference,
    Series,
)


def clue(off: Difference, seen: Counts, misses: int) -> Text:
    """What most likely is behind it. `seen` is all that was counted in that time."""
    for guess in (_fallen, _nothing, _ports, _wrong_end, _mapped, _doubled, _misnamed):
        text = guess(off, seen)
        if text is not None:
            return text
    if misses:
        return Text(
            f"内核跳过了你的程序 {misses} 次（recursion_misses），但缺少的比这多。",
            f"The kernel left out {misses} runs of your program (recursion_misses), but more than that is missing.",
        )
    if off.surplus and not off.missing:
        return Text(
            "比应有的多：同一件事计了两次，还是把不该计的也计了进来？",
            "More than there was: is one thing counted twice, or something that is not to be counted?",
        )
    if off.missing and not off.surplus:
        return Text(
            "这些计数没有出现：那次状态变化你收到事件了吗？记录进了 ring，又被读出来了吗？",
            "These counts never came. Did you get an event for that change of state? Did its record get into the "
            "ring, and out of it?",
        )
    return Text(
        "逐行对照：哪一行多，哪一行少，少的是不是跑到了多的那一行里？",
        "Compare line by line: is what is missing in one the surplus of another?",
    )


def _fallen(off: Difference, seen: Counts) -> Text | None:
    if not any(value < 0 for value, _ in off.wrong.values()):
        return None
    return Text(
        "有的序列变小或消失了。counter 在进程存活期间只增不减，标签也不能收回。",
        "Some series fell, or went away. A counter only grows while the process lives, and a label that was given "
        "out stays.",
    )


def _nothing(off: Difference, seen: Counts) -> Text | None:
    if any(count > 0 for count in seen.values()):
        return None
    return Text(
        "什么都没有增加，连抓取 /metrics 本身的连接也没有。tracepoint 挂上了吗？ring 有人在读吗？",
        "Nothing grew at all, not even by the scrapes' own connections. Is the tracepoint attached? Does somebody "
        "read the ring?",
    )


def _ports(off: Difference, seen: Counts) -> Text | None:
    missing = {_port(series) for series in off.missing}
    surplus = {_port(series) for series in off.surplus}
    swapped = {_swapped(port) for port in missing if port is not None} & surplus
    if swapped:
        return Text(
            f"端口 {min(filter(None, swapped))} 是正确端口交换两个字节之后的样子：网络字节序没有转换，或者转换了两次。",
            f"Port {min(filter(None, swapped))} is the right one with its two bytes swapped: network byte order was "
            "not converted, or converted twice.",
        )
    if any(series[0] == CLOSED and series[2] == "0" for series in off.surplus):
        return Text(
            "src_port 是 0：在 SYN_SENT 时端口还没有选，在 CLOSE 时 skc_num 已经归还。取 CLOSE 时的 inet_sport。",
            "src_port is 0: at SYN_SENT the port is not chosen yet, at CLOSE skc_num was given back already. Take "
            "inet_sport at CLOSE.",
        )
    numbers = [series for series in off.surplus if series[0] == CLOSED and (_port(series) or 0) >= 32768]
    if numbers:
        return Text(
            f"src_port={numbers[0][2]} 是内核选的端口：32768 及以上都记为 {EPHEMERAL}。",
            f"src_port={numbers[0][2]} was chosen by the kernel: from 32768 on it is {EPHEMERAL}.",
        )
    return None


def _wrong_end(off: Difference, seen: Counts) -> Text | None:
    """A dst whose port the kernel gave to a client: nobody connects to such a place."""
    odd = sorted(series[2] for series in off.surplus if series[0] == CONN and (_port(series) or 0) >= 32768)
    if not odd:
        return None
    return Text(
        f"{odd[0]} 是客户端自己的一端。dst 是服务器那一端：连接方的对端地址，接受方的本地地址。"
        "先弄清这个 socket 是哪一方。",
        f"{odd[0]} is a client's own end. dst is the server's end: the remote address of who connects, the local one "
        "of who accepts; so find out first which of the two this socket is.",
    )


def _mapped(off: Difference, seen: Counts) -> Text | None:
    odd = [series[2] for series in off.surplus if "::ffff:" in series[2].lower()]
    if not odd:
        return None
    return Text(
        f"{odd[0]} 是 IPv6 里的 IPv4 地址，要写成 IPv4（netip.Addr.Unmap）。",
        f"{odd[0]} is an IPv4 address within IPv6: write it as IPv4 (netip.Addr.Unmap).",
    )


def _doubled(off: Difference, seen: Counts) -> Text | None:
    if off.missing or not off.wrong or any(value != 2 * want for value, want in off.wrong.values()):
        return None
    return Text(
        "每一个都计了两次：是不是同一次变化有两个挂载点，或者把别的协议（MPTCP）的 socket 也算上了？",
        "Each was counted twice: do two hooks see the same change, or do you count the sockets of another protocol "
        "(MPTCP) as well?",
    )


def _misnamed(off: Difference, seen: Counts) -> Text | None:
    """The same number missing under one first label and too much under another."""
    for lacks, count in off.missing.most_common():
        for has, surplus in off.surplus.most_common():
            same = lacks[0] == has[0] and lacks[2] == has[2] and lacks[1] != has[1]
            if same and count == surplus:
                return _instead(lacks, has)
    return None


def _instead(lacks: Series, has: Series) -> Text:
    if lacks[0] == CONN:
        return Text(
            f"应当是 state={lacks[1]} 的被计成了 {has[1]}：看这个 socket 是怎么开始的，而不只看它到了哪里。",
            f"What is state={lacks[1]} was counted as {has[1]}: look at how the socket began, not only at where it "
            "came to.",
        )
    zh, en = _REASONS.get(lacks[1], _REASONS[EITHER])
    return Text(
        f"应当是 reason={lacks[1]} 的被计成了 {has[1]}：{zh}",
        f"What is reason={lacks[1]} was counted as {has[1]}: {en}",
    )


_REASONS = {
    "refused": ("在 CLOSE 时读 sk_err，它是 ECONNREFUSED。", "read sk_err at CLOSE, it is ECONNREFUSED."),
    "timeout": ("在 CLOSE 时读 sk_err，它是 ETIMEDOUT。", "read sk_err at CLOSE, it is ETIMEDOUT."),
    "reset": (
        "在 CLOSE 时读 sk_err：ECONNRESET 或 EPIPE；错误先于谁先关闭。",
        "read sk_err at CLOSE: ECONNRESET or EPIPE; an error goes before who closed first.",
    ),
    "aborted": (
        "没有错误，也没有从 LAST_ACK 或 FIN_WAIT 过来：本侧没有发 FIN 就结束了它。",
        "there is no error, and it comes neither from LAST_ACK nor from FIN_WAIT: this side ended it without a FIN.",
    ),
    "local": (
        "它先到了 FIN_WAIT1，是本侧先发的 FIN。",
        "it came to FIN_WAIT1 first, so this side sent the first FIN.",
    ),
    "remote": (
        "它先到了 CLOSE_WAIT，是对方先发的 FIN。",
        "it came to CLOSE_WAIT first, so the other side sent the first FIN.",
    ),
    EITHER: ("看这个 socket 经过了哪些状态。", "look at the states that it came by."),
}


def _port(series: Series) -> int | None:
    text = series[2].rsplit(":", 1)[-1]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _swapped(port: int) -> int:
    return (port & 0xFF) << 8 | port >> 8
