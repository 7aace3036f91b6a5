"""Figures and how they are told: medians with their spread, ratios pair by pair."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Series:
    """One quantity, measured several times."""

    unit: str = "s"
    values: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        self.values.append(value)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def json(self) -> dict[str, Any]:
        rounded = [round(v, 4) for v in self.values]
        return {
            "unit": self.unit,
            "median": round(self.median, 4),
            "min": min(rounded),
            "max": max(rounded),
            "n": len(rounded),
        }


def ratios(above: Series, below: Series) -> Series:
    """above / below, each with the one of the same round: the machine's noise is in both."""
    return Series("ratio", [a / b for a, b in zip(above.values, below.values, strict=True)])


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Row:
    """A line of the table: a figure, its aim, and whether it is met."""

    name: str
    series: Series
    aim: float | None = None

    @property
    def met(self) -> bool | None:
        return None if self.aim is None else self.series.median <= self.aim

    def text(self) -> str:
        s = self.series.json()
        aim = "" if self.aim is None else f"≤ {self.aim:g}"
        mark = {None: "", True: "met", False: "missed"}[self.met]
        digits = {"MiB": 0, "ms": 1}.get(self.series.unit, 3)
        low, high, middle = (f"{s[k]:.{digits}f}" for k in ("min", "max", "median"))
        unit = "×" if s["unit"] == "ratio" else s["unit"]
        return f"| {self.name} | {middle} {unit} | {low} – {high} | {s['n']} | {aim} | {mark} |"
