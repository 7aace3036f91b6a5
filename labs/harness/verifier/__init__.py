"""What the kernel's verifier said when it refused an eBPF program, told at the learner's own line.

explain() takes the log as it comes: from the kernel, from cilium/ebpf's `%+v`, or out of a program's
output with other lines around it. It never raises, whatever the bytes, and looks at a bounded part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labs.harness.events import Text
from labs.harness.verifier.log import Kept, Place, Reading, read
from labs.harness.verifier.reasons import Reason, reason_for

__all__ = ["Refusal", "describe", "explain"]

_MOST_REGISTERS = 4
_NOTHING_KEPT = Kept()


@dataclass(frozen=True)
class Refusal:
    """One refused program.

    `kind` is the class of mistake ("other" when it is none of the known), `said` the verifier's own
    sentence, `text` the same for the learner, `why` what is behind it and what helps. `file` is ""
    and `line` 0 where the log does not say; `source` is the line of C. `registers` are the ones that
    matter, as the verifier knew them: ("R0", "map_value_or_null(id=1,off=0,ks=4,vs=8)"). `log` is all
    that the verifier said, for those who want to read it.
    """

    kind: str
    said: str
    text: Text
    why: Text
    file: str
    line: int
    source: str
    instruction: str
    registers: tuple[tuple[str, str], ...]
    log: Kept = _NOTHING_KEPT

    @property
    def where(self) -> str:
        """FILE:LINE, or "" """
        return f"{self.file}:{self.line}" if self.file else ""


def explain(log: str | bytes, sources: Mapping[str, str]) -> Refusal | None:
    """The refusal that `log` tells of, None when it tells of none.

    `sources` are the learner's C files by path. Linux 6.12 names file and line; 6.1 gives the text
    of the line alone, which is then looked for in them.
    """
    text = log.decode("utf-8", "replace") if isinstance(log, bytes) else log
    reading = read(text, sources, lambda line: reason_for(line) is not None)
    if not reading.said:
        return None
    reason = reason_for(reading.said) or _OTHER
    place = _place(reading, reason)
    return Refusal(
        kind=reason.kind,
        said=reading.said,
        text=reason.text,
        why=reason.why,
        file=place.file,
        line=place.line,
        source=place.source,
        instruction=reading.instruction,
        registers=_registers(reading),
        log=reading.kept(),
    )


def describe(refusal: Refusal) -> Text:
    """What a learner needs of it: the place, the line, the verifier's own words and its registers."""
    where = f"{refusal.where}: " if refusal.where else ""
    rows = [f"  {refusal.source}"] if refusal.source else []
    rows.append(f"  {refusal.said}")
    rows += [f"  {name} = {value}" for name, value in refusal.registers]
    detail = "\n".join(rows)
    return Text(
        f"{where}{refusal.text.zh}（内核 verifier 拒绝加载）\n{detail}",
        f"{where}{refusal.text.en} (the kernel's verifier refused it)\n{detail}",
    )


_OTHER = Reason(
    "other",
    "",
    Text("内核 verifier 拒绝了这个程序", "the kernel's verifier refused this program"),
    Text(
        "看日志最后几行：verifier 拒绝之前看到的指令和寄存器状态，就是它不能接受的那一步。",
        "Read the last lines of the log: the instruction and the registers before the refusal are the "
        "step that the verifier could not accept.",
    ),
)


def _place(reading: Reading, reason: Reason) -> Place:
    """Where the mistake is: for a leak, where the thing was taken and not where the program ends."""
    insn = reason.insn(reading.said)
    return reading.places.get(insn, reading.place) if insn is not None else reading.place


def _registers(reading: Reading) -> tuple[tuple[str, str], ...]:
    """Those that the sentence names, else those of the instruction."""
    names = reading.registers_in(reading.said) or reading.registers_in(reading.instruction)
    known = [(name, reading.registers[name]) for name in names if name in reading.registers]
    return tuple(known[:_MOST_REGISTERS])
