"""The Prometheus text exposition format 0.0.4, read strictly.

Source: prometheus.io/docs/instrumenting/exposition_formats, "Text-based format". Whatever expfmt of
prometheus/common refuses is refused here (tests/labs/test_tcp_connections_format.py compares the two), and a
few things more that Prometheus forgives but the format forbids: a TYPE after the samples, a family in two places,
the same series twice.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from labs.harness.events import Text

TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
MOST_LINES = 20_000
Labels = tuple[tuple[str, str], ...]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_BLANKS = " \t"
# as Go's ParseFloat takes it, hexadecimal and underscores left out: nobody writes them
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity)|nan", re.I)
_TIMESTAMP = re.compile(r"-?[0-9]+")
_ESCAPES = {"\\": "\\", '"': '"', "n": "\n"}
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


class Malformed(Exception):
    """A page that is not in the format; `line` counts from 1, 0 is the page as a whole."""

    def __init__(self, line: int, content: str, why: Text) -> None:
        super().__init__(f"line {line}: {why.en}")
        self.line, self.content, self.why = line, content[:200], why


@dataclass
class Family:
    """What HELP and TYPE say of a metric; None when there is no such line."""

    type: str | None = None
    help: str | None = None
    samples: int = 0


@dataclass
class Page:
    """`samples` by name and labels, sorted by the label's name."""

    families: dict[str, Family] = field(default_factory=dict)
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def of(self, name: str) -> dict[Labels, float]:
        """The samples of that name."""
        return {labels: value for (found, labels), value in self.samples.items() if found == name}


def parse(content: bytes) -> Page:
    """Raises Malformed."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(0, "", Text("不是 UTF-8", f"it is not UTF-8: {error.reason}")) from None
    if text and not text.endswith("\n"):
        last = text.rsplit("\n", 1)[-1]
        raise Malformed(
            text.count("\n") + 1, last, Text("最后一行没有换行符", "the last line has no line feed")
        )
    lines = text.split("\n")[:-1]
    if len(lines) > MOST_LINES:
        raise Malformed(0, "", Text(f"超过 {MOST_LINES} 行", f"it has more than {MOST_LINES} lines"))
    reader = _Reader()
    for number, line in enumerate(lines, start=1):
        try:
            reader.take(line)
        except _Wrong as wrong:
            raise Malformed(number, line, wrong.why) from None
    return reader.page


class _Wrong(Exception):
    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.why = Text(zh, en)


class _Reader:
    def __init__(self) -> None:
        self.page = Page()
        self._current = ""
        self._finished: set[str] = set()

    def take(self, line: str) -> None:
        stripped = line.strip(_BLANKS)
        if not stripped:
            return
        if stripped.startswith("#"):
            self._comment(stripped[1:].strip(_BLANKS))
        else:
            self._sample(stripped)

    def _comment(self, text: str) -> None:
        word, _, rest = _token(text)
        if word not in ("HELP", "TYPE"):
            return
        name, _, told = _token(rest)
        if not _NAME.fullmatch(name):
            raise _Wrong(f"{word} 之后没有合法的指标名", f"no valid metric name after {word}")
        family = self._enter(name)
        if word == "HELP":
            if family.help is not None:
                raise _Wrong(f"{name} 有两行 HELP", f"a second HELP for {name}")
            _unescape(told, quoted=False)
            family.help = told
            return
        if family.type is not None:
            raise _Wrong(f"{name} 有两行 TYPE", f"a second TYPE for {name}")
        if family.samples:
            raise _Wrong(f"{name} 的 TYPE 在样本之后", f"the TYPE of {name} comes after its samples")
        if told not in TYPES:
            raise _Wrong(f"没有类型 {told[:40]!r}", f"there is no type {told[:40]!r}")
        family.type = told

    def _sample(self, line: str) -> None:
        match = _NAME.match(line)
        if not match:
            raise _Wrong("这一行既不是注释，也不以指标名开头", "neither a comment nor begun by a metric name")
        name, rest = match[0], line[match.end() :].lstrip(_BLANKS)
        labels: list[tuple[str, str]] = []
        if rest.startswith("{"):
            labels, rest = _labels(rest[1:])
        words = rest.split()
        if not 1 <= len(words) <= 2:
            raise _Wrong("应当是一个数值，其后至多一个时间戳", "one value, and at most a timestamp after it")
        if not _NUMBER.fullmatch(words[0]):
            raise _Wrong(f"{words[0][:40]!r} 不是数值", f"{words[0][:40]!r} is not a number")
        if len(words) == 2 and not _TIMESTAMP.fullmatch(words[1]):
            raise _Wrong(
                f"{words[1][:40]!r} 不是毫秒时间戳", f"{words[1][:40]!r} is not a timestamp in milliseconds"
            )
        family = self._enter(self._family_of(name))
        family.samples += 1
        series = name, tuple(sorted(labels))
        if series in self.page.samples:
            raise _Wrong("同一序列出现了两次", "the same series is there twice")
        value = float(words[0])
        if family.type == "counter" and not (value >= 0 and math.isfinite(value)):
            raise _Wrong("counter 必须是有限的非负数", "a counter is finite and not negative")
        self.page.samples[series] = value

    def _family_of(self, name: str) -> str:
        for kind, suffixes in _SUFFIXES.items():
            for suffix in suffixes:
                stem = name.removesuffix(suffix)
                if stem != name and stem in self.page.families and self.page.families[stem].type == kind:
                    return stem
        return name

    def _enter(self, name: str) -> Family:
        if name != self._current:
            if name in self._finished:
                raise _Wrong(f"{name} 的各行没有放在一起", f"the lines of {name} are not together")
            self._finished.add(self._current)
            self._current = name
        return self.page.families.setdefault(name, Family())


def _token(text: str) -> tuple[str, str, str]:
    match = re.match(r"([^ \t]*)([ \t]*)(.*)", text, re.DOTALL)
    assert match
    return match[1], match[2], match[3]


def _labels(text: str) -> tuple[list[tuple[str, str]], str]:
    """What follows a "{": the labels, and the rest of the line behind the "}"."""
    found: list[tuple[str, str]] = []
    while True:
        text = text.lstrip(_BLANKS)
        if text.startswith("}"):
            return found, text[1:]
        match = _LABEL.match(text)
        if not match:
            raise _Wrong("应当是标签名或 }", "a label name or } was due")
        name, text = match[0], text[match.end() :].lstrip(_BLANKS)
        if not text.startswith("="):
            raise _Wrong(f"标签 {name} 之后应当是 =", f"= was due after the label {name}")
        text = text[1:].lstrip(_BLANKS)
        match = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        if not match:
            raise _Wrong(f"标签 {name} 的值没有放在引号里", f"the value of label {name} is not in quotes")
        if name in (known for known, _ in found):
            raise _Wrong(f"标签 {name} 出现了两次", f"the label {name} is there twice")
        if name == "__name__":
            raise _Wrong("标签名 __name__ 是保留的", "the label name __name__ is reserved")
        found.append((name, _unescape(match[1], quoted=True)))
        text = text[match.end() :].lstrip(_BLANKS)
        if text.startswith(","):
            text = text[1:]
        elif not text.startswith("}"):
            raise _Wrong(f"标签 {name} 之后应当是 , 或 }}", f", or }} was due after the label {name}")


def _unescape(text: str, *, quoted: bool) -> str:
    known = _ESCAPES if quoted else {"\\": "\\", "n": "\n"}
    out, at = [], 0
    while at < len(text):
        if text[at] != "\\":
            out.append(text[at])
            at += 1
            continue
        following = text[at + 1 : at + 2]
        if following not in known or not following:
            raise _Wrong(f"不认识的转义 \\{following}", f"unknown escape \\{following}")
        out.append(known[following])
        at += 2
    return "".join(out)
