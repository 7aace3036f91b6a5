"""Prometheus' text exposition format 0.0.4, read as strictly as the format is written.

Source: prometheus.io/docs/instrumenting/exposition_formats. A scraper forgives much that is wrong; a
grader must not: samples of one metric apart from each other, a TYPE line after its samples, one time
series twice, a missing line feed at the end.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from labs.harness.events import Text

MAX_BYTES = 512 << 10
_EXACT = 2.0**53
_SHOWN_LETTERS = 300
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_COMMENT = re.compile(rf"# (?P<what>HELP|TYPE) (?P<name>{_NAME})(?: (?P<rest>.*))?")
_SAMPLE = re.compile(
    rf"(?P<name>{_NAME})(?:\{{(?P<labels>.*)\}})?[ \t]+(?P<value>\S+)(?:[ \t]+(?P<time>-?\d+))?"
)
_LABEL = re.compile(r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\]|\\["\\n])*)"(?:,|$)')
_VALUE = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN")
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
_UNESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

Labels = tuple[tuple[str, str], ...]


class BadExposition(Exception):
    """The first thing that is wrong, with its line (from 1)."""

    def __init__(self, line: int, text: Text) -> None:
        super().__init__(f"line {line}: {text.en}")
        self.line = line
        self.text = Text(f"第 {line} 行：{text.zh}", f"line {line}: {text.en}")


@dataclass(frozen=True)
class Exposition:
    """One scrape, parsed. `samples` by name and labels in order of their names."""

    samples: Mapping[tuple[str, Labels], float] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float:
        """The sum over the series of that name that have these labels; 0.0 when there is none."""
        return sum(value for _, value in self.series(name, **labels))

    def series(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        wanted = set(labels.items())
        return [
            (dict(found), value)
            for (metric, found), value in self.samples.items()
            if metric == name and wanted <= set(found)
        ]

    def label_values(self, name: str, label: str) -> set[str]:
        return {found[label] for found, _ in self.series(name) if label in found}

    def cardinality(self) -> Counter[str]:
        """How many time series each name has."""
        return Counter(name for name, _ in self.samples)

    def since(self, earlier: Exposition) -> Exposition:
        """The growth of every series; what was not there counted as 0."""
        grown = {key: value - earlier.samples.get(key, 0.0) for key, value in self.samples.items()}
        return Exposition(grown, self.types)

    def fallen(self, earlier: Exposition) -> list[str]:
        """Counters that are less than they were, or gone: none may be, while the program runs."""
        return [
            _shown(*key)
            for key, value in earlier.samples.items()
            if self._counts(key[0]) and self.samples.get(key, -math.inf) < value
        ]

    def no_counts(self) -> list[str]:
        """Samples that no counting leads to: NaN, infinite, or beyond what a double counts exactly.

        Not those of summaries and histograms, where that has a meaning.
        """
        spread = {
            base + suffix
            for base, type_ in self.types.items()
            if type_ in _SUFFIXES
            for suffix in ("", *_SUFFIXES[type_])
        }
        return [
            f"{_shown(*key)[:_SHOWN_LETTERS]} {value}"
            for key, value in self.samples.items()
            if not abs(value) < _EXACT and key[0] not in spread
        ]

    def _counts(self, name: str) -> bool:
        """Whether it never falls: a counter, or, where nothing else is declared, what is called like one."""
        type_ = self.types.get(name)
        return type_ == "counter" or (type_ != "gauge" and name.endswith(("_bucket", "_count", "_total")))


def parse(body: bytes) -> Exposition:
    """Raises BadExposition."""
    if len(body) > MAX_BYTES:
        raise BadExposition(1, Text("超过 512 KiB", "more than 512 KiB"))
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        broken = body[: error.start].count(b"\n") + 1
        raise BadExposition(broken, Text("不是有效的 UTF-8", "not valid UTF-8")) from error
    lines = text.split("\n")
    if lines.pop() != "":
        raise BadExposition(
            len(lines) + 1, Text("最后一行没有换行符", "the last line does not end in a line feed")
        )
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        reader.line(number, line)
    return Exposition(reader.samples, reader.types)


class _Reader:
    def __init__(self) -> None:
        self.samples: dict[tuple[str, Labels], float] = {}
        self.types: dict[str, str] = {}
        self._helped: set[str] = set()
        self._closed: set[str] = set()
        self._current = ""

    def line(self, number: int, line: str) -> None:
        if not line.strip():
            return
        if line.startswith("#"):
            match = _COMMENT.fullmatch(line)
            if match:
                self._comment(number, match)
            return
        match = _SAMPLE.fullmatch(line.strip())
        if match is None:
            raise BadExposition(number, Text(f"不是样本：{line[:80]}", f"not a sample: {line[:80]}"))
        self._sample(number, match)

    def _comment(self, number: int, match: re.Match[str]) -> None:
        name, what, rest = match["name"], match["what"], match["rest"] or ""
        self._enter(number, name)
        if what == "HELP":
            if name in self._helped:
                raise BadExposition(number, Text(f"{name} 有两行 HELP", f"{name} has two HELP lines"))
            self._helped.add(name)
            return
        if rest not in TYPES:
            raise BadExposition(number, Text(f"没有类型 {rest[:40]}", f"there is no type {rest[:40]}"))
        if name in self.types:
            raise BadExposition(number, Text(f"{name} 有两行 TYPE", f"{name} has two TYPE lines"))
        if any(self._family(sample) == name for sample, _ in self.samples):
            raise BadExposition(
                number, Text(f"{name} 的 TYPE 在样本之后", f"TYPE of {name} comes after its samples")
            )
        self.types[name] = rest

    def _sample(self, number: int, match: re.Match[str]) -> None:
        name = match["name"]
        self._enter(number, self._family(name))
        labels = _labels(number, match["labels"] or "")
        if not _VALUE.fullmatch(match["value"]):
            shown = match["value"][:40]
            raise BadExposition(number, Text(f"{shown} 不是数值", f"{shown} is not a value"))
        key = name, labels
        if key in self.samples:
            raise BadExposition(number, Text(f"{_shown(*key)} 出现了两次", f"{_shown(*key)} is there twice"))
        value = float(match["value"].replace("Inf", "inf"))
        if self.types.get(name) == "counter" and not 0 <= value < math.inf:
            raise BadExposition(number, Text(f"计数器 {name} 是 {value}", f"counter {name} is {value}"))
        self.samples[key] = value

    def _family(self, name: str) -> str:
        for type_, suffixes in _SUFFIXES.items():
            for suffix in suffixes:
                base = name.removesuffix(suffix)
                if base != name and self.types.get(base) == type_:
                    return base
        return name

    def _enter(self, number: int, family: str) -> None:
        """All lines of one metric stand together."""
        if family == self._current:
            return
        if family in self._closed:
            raise BadExposition(
                number, Text(f"{family} 的行不在一起", f"the lines of {family} do not stand together")
            )
        self._closed.add(self._current)
        self._current = family


def _labels(number: int, text: str) -> Labels:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _LABEL.match(text, at)
        if match is None:
            raise BadExposition(
                number, Text(f"标签写法不对：{text[at : at + 60]}", f"not a label: {text[at : at + 60]}")
            )
        if match["name"] in found:
            raise BadExposition(
                number, Text(f"标签 {match['name']} 出现了两次", f"label {match['name']} is there twice")
            )
        found[match["name"]] = re.sub(r"\\.", lambda escape: _UNESCAPED[escape[0]], match["value"])
        at = match.end()
    return tuple(sorted(found.items()))


def _shown(name: str, labels: Labels) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in labels)
    return f"{name}{{{inside}}}" if inside else name
