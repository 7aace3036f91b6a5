"""Code blocks of chapters: attributes, text from files that CI compiles, colours."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from lastmile.course.content import BadContent

_INFO = re.compile(r"^(?P<language>[\w+-]*)\s*(?:\{(?P<attributes>.*)\})?\s*$")
_LAB_FILE = re.compile(
    r"^labs/(?P<lab>[\w-]+/[\w-]+)/(?:starter|solution|mistakes/[\w-]+|solutions/[\w-]+)/(?P<file>.+)$"
)

# Characters of a learner's file. Colouring takes up to half a second for each 64 Ki, and makes 25 times as much HTML.
MOST_COLOURED = 64 << 10


@dataclass(frozen=True)
class Block:
    """A code block, ready to be drawn. `lab` and `lab_file` are set when it comes from a lab."""

    language: str
    text: str
    name: str = ""
    lab: str = ""
    lab_file: str = ""
    mark: frozenset[int] = frozenset()


def parse_info(info: str) -> tuple[str, dict[str, str]]:
    """`go {file=a.go decl=B}` → ("go", {"file": "a.go", "decl": "B"})."""
    found = _INFO.match(info.strip())
    if not found:
        raise BadContent(f"code block: cannot read {info!r}")
    attributes: dict[str, str] = {}
    for part in shlex.split(found["attributes"] or ""):
        key, _, value = part.partition("=")
        attributes[key] = value
    return found["language"], attributes


def block(info: str, text: str, root: Path) -> Block:
    """Raises BadContent when a named file, declaration or region is not there."""
    language, attributes = parse_info(info)
    mark = _numbers(attributes.get("mark", ""))
    source = attributes.get("file", "")
    if not source:
        return Block(language, text, attributes.get("title", ""), mark=mark)
    path = (root / source).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise BadContent(f"code block: no file {source}")
    shown = _excerpt(path.read_text(encoding="utf-8"), attributes, source)
    lab = _LAB_FILE.match(source)
    return Block(
        language,
        shown,
        attributes.get("title", "") or (lab["file"] if lab else source),
        lab["lab"] if lab else "",
        lab["file"] if lab else "",
        mark,
    )


def _excerpt(text: str, attributes: dict[str, str], where: str) -> str:
    if "decl" in attributes:
        return declaration(text, attributes["decl"], where)
    if "region" in attributes:
        return region(text, attributes["region"], where)
    if "lines" in attributes:
        wanted = _numbers(attributes["lines"])
        return "".join(line for n, line in enumerate(text.splitlines(keepends=True), 1) if n in wanted)
    return text


def region(text: str, name: str, where: str = "") -> str:
    """What is between `region NAME` and `endregion NAME`, with common indentation removed."""
    lines = text.splitlines()
    begin = next(
        (i for i, line in enumerate(lines) if re.search(rf"\bregion {re.escape(name)}\s*$", line)), -1
    )
    end = next(
        (i for i, line in enumerate(lines) if re.search(rf"\bendregion {re.escape(name)}\s*$", line)), -1
    )
    if begin < 0 or end <= begin:
        raise BadContent(f"{where}: no region {name}")
    inside = lines[begin + 1 : end]
    indent = min((len(line) - len(line.lstrip("\t ")) for line in inside if line.strip()), default=0)
    return "\n".join(line[indent:] for line in inside) + "\n"


def declaration(text: str, name: str, where: str = "") -> str:
    """A top-level Go declaration of gofmt-formatted text, with the comment above it."""
    receiver, _, last = name.rpartition(".")
    method = rf"func \(\w*\s*\*?{re.escape(receiver)}\) " if receiver else r"func (?:\([^)]*\) )?"
    pattern = re.compile(rf"^(?:{method}{re.escape(last)}\b|(?:type|var|const) {re.escape(last)}\b)")
    lines = text.splitlines()
    at = next((i for i, line in enumerate(lines) if pattern.match(line)), -1)
    if at < 0:
        raise BadContent(f"{where}: no declaration {name}")
    first = at
    while first and lines[first - 1].startswith("//"):
        first -= 1
    if not re.search(r"[{(]\s*$", lines[at]):
        return "\n".join(lines[first : at + 1]) + "\n"
    end = next((i for i in range(at + 1, len(lines)) if lines[i][:1] in ("}", ")")), len(lines) - 1)
    return "\n".join(lines[first : end + 1]) + "\n"


def _numbers(spec: str) -> frozenset[int]:
    numbers: set[int] = set()
    for part in filter(None, spec.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


@lru_cache(maxsize=256)
def coloured(text: str, language: str, mark: frozenset[int] = frozenset()) -> str:
    """HTML of a text of the course with Pygments' short class names; unknown languages stay plain."""
    return _coloured(text, language, mark)


def coloured_once(text: str, language: str) -> str:
    """The same of a text that a learner wrote: it is not kept, and a long one stays plain."""
    return _coloured(text, language if len(text) <= MOST_COLOURED else "text")


def _coloured(text: str, language: str, mark: frozenset[int] = frozenset()) -> str:
    try:
        lexer = get_lexer_by_name({"sh": "bash", "": "text"}.get(language, language), stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_by_name("text", stripnl=False)
    formatter = HtmlFormatter(nowrap=True, hl_lines=sorted(mark))
    return str(highlight(text.rstrip("\n") + "\n", lexer, formatter)).rstrip("\n")
