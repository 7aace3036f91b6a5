"""What a tracer takes of its machine, in all and per connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spent:
    """What a tracer takes: seconds of the guest's processor in user space, and in the kernel's BPF programs, which
    ran `runs` times.
    """

    cpu_seconds: float
    bpf_seconds: float
    runs: float

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.cpu_seconds - other.cpu_seconds, self.bpf_seconds - other.bpf_seconds, self.runs - other.runs
        )

    def least(self, other: Spent) -> Spent:
        """Of each the smaller one."""
        return Spent(
            min(self.cpu_seconds, other.cpu_seconds),
            min(self.bpf_seconds, other.bpf_seconds),
            min(self.runs, other.runs),
        )

    def most(self, other: Spent) -> Spent:
        """Of each the larger one."""
        return Spent(
            max(self.cpu_seconds, other.cpu_seconds),
            max(self.bpf_seconds, other.bpf_seconds),
            max(self.runs, other.runs),
        )

    def times(self, factor: float) -> Spent:
        return Spent(self.cpu_seconds * factor, self.bpf_seconds * factor, self.runs * factor)


@dataclass(frozen=True)
class Cost:
    """What a tracer took for so many connections, each with both its ends."""

    connections: int
    spent: Spent

    @property
    def user(self) -> float:
        """Microseconds of a connection in user space."""
        return 1e6 * self.spent.cpu_seconds / max(self.connections, 1)

    @property
    def bpf(self) -> float:
        """Microseconds of a connection in BPF programs."""
        return 1e6 * self.spent.bpf_seconds / max(self.connections, 1)

    @property
    def microseconds(self) -> float:
        """Per connection, both together."""
        return self.user + self.bpf

    def json(self) -> dict[str, float]:
        """As the event `cost` has it."""
        runs = self.spent.runs
        return {
            "user": round(self.user, 1),
            "bpf": round(self.bpf, 1),
            "run": round(1e9 * self.spent.bpf_seconds / runs) if runs > 0 else 0,
        }
