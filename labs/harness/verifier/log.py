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

MAX_LINES = 2000
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


@dataclass
class Reading:
    """What stands when the log ends. `places` tells for each instruction which line of C it belongs to."""

    said: str = ""
    place: Place = Place()
    instruction: str = ""
    registers: dict[str, str] = field(default_factory=dict)
    places: dict[int, Place] = field(default_factory=dict)

    def registers_in(self, text: str) -> list[str]:
        return list(dict.fromkeys(f"R{number}" for number in _NAMES.findall(text)))


def read(log: str, sources: Mapping[str, str], known: Callable[[str], bool]) -> Reading:
    """Read the end of `log`. `known` tells whether a line is a refusal; without one nothing was said,
    unless the line stands where the verifier puts its sentence: right before "processed N insns".
    """
    finder = _Finder(sources)
    reading, before, current = Reading(), "", Place()
    registers: dict[str, str] = {}
    instruction = ""
    for raw in log[-MAX_LINES * MAX_LINE :].splitlines()[-MAX_LINES:]:
        line = raw.strip()[:MAX_LINE]
        if match := _SOURCE.match(line):
            # cilium/ebpf notes a failed CO-RE relocation like a source line, without one
            current = current if match["text"].startswith(_POISONED) else finder.find(match["text"])
        elif match := _INSN.match(line):
            if match["code"]:
                instruction = match["text"].strip()
                reading.places[int(match["number"])] = current
                registers.update(_states(line.partition(" ; ")[2]))
            else:
                registers.update(_states(line))
        elif _STATE.match(line):
            registers.update(_states(line))
        if known(line) and not _SOURCE.match(line):
            _settle(reading, line, current, instruction, registers)
        elif line.startswith("processed ") and before and not reading.said:
            _settle(reading, before, current, instruction, registers)
        before = "" if _structural(line) else line
    return reading


def _settle(
    reading: Reading, said: str, place: Place, instruction: str, registers: Mapping[str, str]
) -> None:
    reading.said, reading.place, reading.instruction = said, place, instruction
    reading.registers = dict(registers)


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
