"""Reads a verifier log: instructions, the source lines between them, register states, the last sentence.

The forms are those of kernel/bpf/verifier.c and log.c:

    ; __u64 *v = bpf_map_lookup_elem(&m, &key); @ a.bpf.c:21     (6.10 and later; before without the @)
    7: (79) r1 = *(u64 *)(r0 +0)          ; R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0)
    from 4 to 7: R0_w=0 R10=fp0 fp-8=0000mmmm
    R0 invalid mem access 'map_value_or_null'
    processed 8 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labs.harness.sanitize import clean

MAX_LINES = 2000
MAX_KEPT_BYTES = 160 << 10
_AFTER = 4  # lines behind the sentence that still belong to the log: "processed N insns", a stack depth
MAX_LINE = 1000
_SOURCE = re.compile(r"; (?P<text>.*)")
_POISONED = "instruction poisoned by CO-RE"
_AT = re.compile(r" @ (?P<file>[^\s:]{1,200}):(?P<line>\d{1,9})$")
_INSN = re.compile(r"(?P<number>\d{1,9}): (?P<rest>\((?P<code>[0-9a-f]{2})\) (?P<text>[^;]*)|(?=R\d|fp))")
_STATE = re.compile(
    r"(?:from \d{1,9} to \d{1,9}(?: \(speculative execution\))?: ?|\d{1,9}: ?)?(?=R\d|frame\d)"
)
_NEXT = re.compile(r" (?=(?:R\d{1,2}(?:_[a-z]+)?|fp-\d{1,4}(?:_[a-z]+)?|refs|frame\d+|cb)(?:=|:| ))")
_REGISTER = re.compile(r"(?P<name>R\d{1,2})(?:_[a-zA-Z]+)?=(?P<value>.*)")
_NAMES = re.compile(r"\b[Rr](\d{1,2})\b")
_NOISE = re.compile(
    r"processed \d+ insns|verification time|stack depth|last_idx|regs=|parent |propagating|mark_precise"
    r"|func#\d|Validating|arg#|reg type unsupported|\(\d+ line\(s\) omitted\)|caller:|callee:|returning from"
    r"|to caller at|safe$|-- BEGIN|-- END|libbpf:|mark_read"
)


@dataclass(frozen=True)
class Place:
    """A line of C. `file` "" and `line` 0 where it is not known."""

    file: str = ""
    line: int = 0
    source: str = ""


@dataclass(frozen=True)
class Kept:
    """The log to look at: clean, bounded lines. `refused` is the index of the line with the refused instruction,
    `said` that of the verifier's sentence, -1 where there is none; `left_out` counts lines that stood before them.
    """

    lines: tuple[str, ...] = ()
    refused: int = -1
    said: int = -1
    left_out: int = 0


@dataclass
class Reading:
    """What stands when the log ends. `places` tells for each instruction which line of C it belongs to.

    `said_at` and `refused_at` are indexes into `lines`, the part of the log that was read; -1 for none.
    """

    said: str = ""
    place: Place = Place()
    instruction: str = ""
    registers: dict[str, str] = field(default_factory=dict)
    places: dict[int, Place] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    begins: int = 0
    said_at: int = -1
    refused_at: int = -1

    def registers_in(self, text: str) -> list[str]:
        return list(dict.fromkeys(f"R{number}" for number in _NAMES.findall(text)))

    def kept(self) -> Kept:
        """From the log's first line to shortly behind the sentence, as far back as there is room."""
        if self.said_at < 0:
            return Kept()
        lines = [clean(line.rstrip()[:MAX_LINE]) for line in self.lines[: self.said_at + 1 + _AFTER]]
        first, room = len(lines), MAX_KEPT_BYTES
        while first > self.begins and (room := room - len(lines[first - 1].encode()) - 1) >= 0:
            first -= 1
        return Kept(
            tuple(lines[first:]), max(self.refused_at - first, -1), self.said_at - first, first - self.begins
        )


def read(log: str, sources: Mapping[str, str], known: Callable[[str], bool]) -> Reading:
    """Read the end of `log`. `known` tells whether a line is a refusal; without one nothing was said,
    unless the line stands where the verifier puts its sentence: right before "processed N insns".
    """
    lines = log[-MAX_LINES * MAX_LINE :].splitlines()[-MAX_LINES:]
    scan = _Scan(Reading(lines=lines, begins=-1), _Finder(sources), known)
    for at, line in enumerate(lines):
        scan.take(at, line.strip()[:MAX_LINE])
    reading = scan.reading
    if reading.begins < 0 or reading.begins > reading.said_at:
        reading.begins = max(reading.said_at, 0)
    return reading


@dataclass
class _Scan:
    """One pass over a log, with what holds at the line that it has come to."""

    reading: Reading
    finder: _Finder
    known: Callable[[str], bool]
    place: Place = Place()
    registers: dict[str, str] = field(default_factory=dict)
    instruction: tuple[str, int] = ("", -1)
    before: tuple[str, int] = ("", -1)  # the line before and where it stands, if it is a sentence

    def take(self, at: int, line: str) -> None:
        structural = _structural(line)
        if self.reading.begins < 0 and line and structural:
            self.reading.begins = at
        self._follow(at, line)
        said = self._sentence(at, line)
        if said[1] >= 0:
            self._note(*said)
        self.before = ("", -1) if structural else (line, at)

    def _follow(self, at: int, line: str) -> None:
        if match := _SOURCE.match(line):
            # cilium/ebpf notes a failed CO-RE relocation like a source line, without one
            if not match["text"].startswith(_POISONED):
                self.place = self.finder.find(match["text"])
        elif (match := _INSN.match(line)) and match["code"]:
            self.instruction = match["text"].strip(), at
            self.reading.places[int(match["number"])] = self.place
            self.registers.update(_states(line.partition(" ; ")[2]))
        elif match or _STATE.match(line):
            self.registers.update(_states(line))

    def _sentence(self, at: int, line: str) -> tuple[str, int]:
        if self.known(line) and not _SOURCE.match(line):
            return line, at
        if line.startswith("processed ") and not self.reading.said:
            return self.before
        return "", -1

    def _note(self, sentence: str, at: int) -> None:
        reading = self.reading
        reading.said, reading.said_at = sentence, at
        reading.place, reading.registers = self.place, dict(self.registers)
        reading.instruction, reading.refused_at = self.instruction


def _structural(line: str) -> bool:
    """Whether a line is anything but a sentence."""
    return not line or any(form.match(line) for form in (_SOURCE, _INSN, _STATE, _NOISE))


def _states(text: str) -> dict[str, str]:
    found = (_REGISTER.match(part.partition(": ")[2] or part) for part in _NEXT.split(f" {text.strip()}"))
    return {match["name"]: match["value"].strip() for match in found if match}


class _Finder:
    """From what the log says of a line of C to its place in the learner's files."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._by_base = {path.rpartition("/")[2]: path for path in sorted(sources, reverse=True)}
        self._lines: dict[str, list[Place]] = {}
        for path, text in sorted(sources.items()):
            for number, line in enumerate(text.splitlines(), 1):
                stripped = line.strip()
                self._lines.setdefault(stripped, []).append(Place(path, number, stripped))
        self._last = Place()

    def find(self, text: str) -> Place:
        if at := _AT.search(text):
            file = self._by_base.get(at["file"].rpartition("/")[2], at["file"])
            place = Place(file, int(at["line"]), text[: at.start()].strip())
        else:
            place = self._search(text.strip())
        if place.file:
            self._last = place
        return place

    def _search(self, text: str) -> Place:
        """Of several equal lines the one nearest to where the program was last."""
        candidates = self._lines.get(text, [])
        if not candidates:
            return Place(source=text)
        last = self._last
        return min(candidates, key=lambda c: (c.file != last.file, abs(c.line - last.line)))
