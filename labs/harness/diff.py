"""Shows objects to people: YAML-like, and the first place where one differs from what was wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_LINES = 40


def differs(seen: Any, want: Any) -> list[str]:
    """The path to the first deviation ([] at the root is ["."]), or [] when `seen` holds all of `want`.

    A mapping must hold at least the keys of `want` (None: the key is absent or null); a sequence
    must match item by item; anything else must be equal.
    """
    return _differs(seen, want, [])


def _differs(seen: Any, want: Any, path: list[str]) -> list[str]:
    if isinstance(want, Mapping):
        if not isinstance(seen, Mapping):
            return path or ["."]
        for key, value in want.items():
            found = _differs(seen.get(key), value, [*path, str(key)])
            if found:
                return found
        return []
    if isinstance(want, Sequence) and not isinstance(want, str):
        if not isinstance(seen, Sequence) or isinstance(seen, str) or len(seen) != len(want):
            return path or ["."]
        for number, value in enumerate(want):
            found = _differs(seen[number], value, [*path, str(number)])
            if found:
                return found
        return []
    return [] if seen == want and isinstance(seen, bool) == isinstance(want, bool) else path or ["."]


def show(value: Any) -> str:
    """Like YAML, cut at 40 lines, without managedFields."""
    lines = [line for line, _ in _lines(value, 0, [])]
    cut = lines[:MAX_LINES]
    return "\n".join(cut + (["…"] if len(lines) > MAX_LINES else []))


def show_difference(seen: Any, want: Any) -> str:
    """`seen` reduced to the keys of `want`, a caret under the first deviation, and the wanted value."""
    path = differs(seen, want)
    if not path or path == ["."]:
        return show(seen)
    lines = list(_lines(_like(seen, want), 0, []))
    wanted = _at(want, path)
    out: list[str] = []
    for line, where in lines[: MAX_LINES * 2]:
        out.append(line)
        if where == path:
            indent = len(line) - len(line.lstrip())
            out.append(" " * indent + "^" * max(1, len(line.strip())) + f" want: {_inline(wanted)}")
    return "\n".join(out)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _like(seen: Any, want: Any) -> Any:
    if isinstance(want, Mapping) and isinstance(seen, Mapping):
        return {key: _like(seen.get(key), value) for key, value in want.items()}
    if _is_list(want) and _is_list(seen) and len(seen) == len(want):
        return [_like(one, other) for one, other in zip(seen, want, strict=True)]
    return seen


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value[int(part)] if isinstance(value, Sequence) else value.get(part)
    return value


def _inline(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if text == "" or "\n" in text else text


def _lines(value: Any, depth: int, path: list[str]) -> list[tuple[str, list[str]]]:
    """Lines of text, each with the path of what it shows."""
    pad = "  " * depth
    out: list[tuple[str, list[str]]] = []
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            if key == "managedFields":
                continue
            out += _entry(f"{pad}{key}:", item, depth, [*path, str(key)])
        return out
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        for number, item in enumerate(value):
            out += _entry(f"{pad}-", item, depth, [*path, str(number)])
        return out
    return [(pad + _inline(value), path)]


def _entry(head: str, item: Any, depth: int, path: list[str]) -> list[tuple[str, list[str]]]:
    if isinstance(item, Mapping | list) and item:
        return [(head, path), *_lines(item, depth + 1, path)]
    return [(f"{head} {_inline(item)}", path)]
