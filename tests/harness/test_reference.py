"""The reference pages have a heading for everything that the harness knows."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from labs.harness import cli, events, manifest, protocol, verdict

DOCS = Path(__file__).parents[2] / "docs/reference"


def headings(page: str) -> set[str]:
    return set(re.findall(r"^#+ (.+)$", (DOCS / page).read_text("utf-8"), re.MULTILINE))


def fields_read_by(function: object) -> set[str]:
    """The field names that a reading function of manifest.py asks its table for."""
    tree = ast.parse(inspect.getsource(function))  # type: ignore[arg-type]
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    readers = {"string", "one_of", "integer", "number", "strings", "text", "table", "tables"}
    named = [
        c.args[0] for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr in readers and c.args
    ]
    return {arg.value for arg in named if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}


@pytest.mark.parametrize(
    ("functions", "prefix"),
    [
        ((manifest._lab, manifest._skills, manifest._editable, manifest._manifests), ""),
        ((manifest._build,), "build."),
        ((manifest._limits,), "limits."),
        ((manifest._check,), "checks."),
    ],
)
def test_every_field_of_lab_toml_has_its_heading(functions: tuple[object, ...], prefix: str) -> None:
    fields = set().union(*(fields_read_by(function) for function in functions))
    assert len(fields) >= 3
    assert {prefix + field for field in fields} <= headings("lab-toml.md")


def test_every_verdict_has_its_heading() -> None:
    assert set(get_args(verdict.Word)) <= headings("verdicts.md")


def test_every_event_has_its_heading() -> None:
    sources = "".join(file.read_text("utf-8") for file in Path(events.__file__).parent.glob("*.py"))
    emitted = set(re.findall(r'\bemit\(\s*"(\w+)"', sources))
    assert {"state", "log", "diagnostic", "verdict"} <= emitted
    assert emitted | set(protocol.EVENTS) <= headings("events.md")


def test_every_verb_and_option_is_described() -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    [verbs] = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    assert set(verbs.choices) <= headings("cli.md")
    for parser in verbs.choices.values():
        for option in (
            o for a in parser._actions for o in a.option_strings if o.startswith("--") and o != "--help"
        ):
            assert option in page, option
