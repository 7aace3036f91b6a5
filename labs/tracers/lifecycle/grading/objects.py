"""The kernel's BPF objects, reduced to what tells them apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from sandboxes.vm.bpf import Objects


@dataclass(frozen=True)
class Seen:
    """Programs and maps by number with their names, links with their program, pins below /sys/fs/bpf.

    The kernel never uses a number again, so what is new is what has a new number.
    """

    programs: dict[int, str] = field(default_factory=dict)
    maps: dict[int, str] = field(default_factory=dict)
    links: dict[int, int] = field(default_factory=dict)
    pins: tuple[str, ...] = ()

    @classmethod
    def of(cls, objects: Objects) -> Self:
        return cls(
            {program.id: program.name for program in objects.programs},
            {map_.id: map_.name for map_ in objects.maps},
            {link.id: link.program_id for link in objects.links},
            tuple(sorted(objects.pins)),
        )

    def without(self, others: Seen) -> Seen:
        return Seen(
            {id_: name for id_, name in self.programs.items() if id_ not in others.programs},
            {id_: name for id_, name in self.maps.items() if id_ not in others.maps},
            {id_: program for id_, program in self.links.items() if id_ not in others.links},
            tuple(pin for pin in self.pins if pin not in others.pins),
        )

    @property
    def empty(self) -> bool:
        return not (self.programs or self.maps or self.links or self.pins)

    def describe(self) -> list[str]:
        """A line for each."""
        return [
            *(f"program {id_} {name}" for id_, name in self.programs.items()),
            *(f"map {id_} {name}" for id_, name in self.maps.items()),
            *(f"link {id_} (program {program})" for id_, program in self.links.items()),
            *(f"/sys/fs/bpf/{pin}" for pin in self.pins),
        ]
