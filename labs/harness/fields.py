"""Reads typed fields out of a parsed TOML table and collects every mistake instead of raising.

Each method answers a value of the right type even after a mistake, so that one reading finds all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.harness.events import Text

ABSENT = object()


class Table:
    """One table; `place` is the dotted way to it, "" at the top."""

    def __init__(self, values: Mapping[str, Any], file: str, mistakes: list[str], place: str = "") -> None:
        self._values, self._file, self._mistakes, self._place = values, file, mistakes, place
        self._seen: set[str] = set()

    def wrong(self, field: str, what: str) -> None:
        where = f"{self._place}.{field}" if self._place else field
        self._mistakes.append(f"{self._file}: {where}: {what}")

    def string(self, field: str, default: str | None = None) -> str:
        """Not empty, unless it is the default."""
        value = self._take(field, str, "a string", default)
        if value == "" and default != "":
            self.wrong(field, "must not be empty") if field in self._values else None
        return str(value or "")

    def one_of(self, field: str, choices: Sequence[str]) -> str:
        value = str(self._take(field, str, "a string", None) or choices[0])
        if value not in choices:
            self.wrong(field, f"is {value!r}, must be one of {', '.join(choices)}")
        return value

    def integer(self, field: str, *, least: int, most: int, default: int | None = None) -> int:
        value = self._take(field, int, "a whole number", default)
        if value is not None and not least <= value <= most:
            self.wrong(field, f"is {value}, must be from {least} to {most}")
        return int(value or 0)

    def number(self, field: str, *, default: float, least: float) -> float:
        value = self._take(field, (int, float), "a number", default)
        if value is not None and value < least:
            self.wrong(field, f"is {value}, must be at least {least}")
        return float(value or 0)

    def strings(self, field: str, optional: bool = False) -> tuple[str, ...]:
        value = self._take(field, list, "a list of strings", [] if optional else None) or []
        good = [item for item in value if isinstance(item, str)]
        if len(good) != len(value):
            self.wrong(field, "must be a list of strings")
        return tuple(good)

    def text(self, field: str) -> Text:
        """A table with exactly zh and en."""
        table = self.table(field)
        text = Text(table.string("zh"), table.string("en"))
        table.nothing_else()
        return text

    def table(self, field: str, optional: bool = False) -> Table:
        value = self._take(field, dict, "a table", {} if optional else None) or {}
        return Table(value, self._file, self._mistakes, f"{self._place}.{field}" if self._place else field)

    def tables(self, field: str) -> list[Table]:
        """At least one."""
        value = self._take(field, list, "a list of tables", None) or []
        if field in self._values and (not value or not all(isinstance(row, dict) for row in value)):
            self.wrong(field, "must be a list of tables, at least one")
        rows = [row for row in value if isinstance(row, dict)]
        return [Table(row, self._file, self._mistakes, f"{field}[{n}]") for n, row in enumerate(rows)]

    def nothing_else(self) -> None:
        """Report the fields that nobody asked for: as a rule, misspelt ones."""
        for field in self._values:
            if field not in self._seen:
                self.wrong(field, "is not a field of lab.toml")

    def _take(self, field: str, type_: Any, called: str, default: Any) -> Any:
        self._seen.add(field)
        value = self._values.get(field, ABSENT)
        if value is ABSENT:
            if default is None:
                self.wrong(field, "is missing")
            return default
        if not isinstance(value, type_) or (isinstance(value, bool) and type_ is not bool):
            self.wrong(field, f"must be {called}")
            return default
        return value
