"""Which strings the site says, found in templates and Python: what a translation must cover.

`python -m lastmile.course.messages` lists those that the Chinese catalogue lacks, and those nobody uses.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from lastmile.course.translations import LOCALE, parse

PACKAGE = Path(__file__).resolve().parents[1]
CATALOGUE = LOCALE / "zh_Hans" / "LC_MESSAGES" / "django.po"
_NAMES = {"_", "gettext", "gettext_lazy", "pgettext", "ngettext"}
_CALL = re.compile(r"""\{%\s*translate\s+"((?:[^"\\]|\\.)*)"\s*(?:as\s+\w+\s*)?%\}""")
_BLOCK = re.compile(
    r"\{%\s*blocktranslate\b[^%]*%\}(?P<one>.*?)(?:\{%\s*plural\s*%\}(?P<many>.*?))?\{%\s*endblocktranslate\s*%\}",
    re.DOTALL,
)
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def in_templates(folder: Path = PACKAGE / "templates") -> Iterator[str]:
    """Message ids; of a plural, both forms joined with \\0."""
    for path in sorted(folder.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        for found in _CALL.finditer(text):
            yield found[1].replace('\\"', '"')
        for found in _BLOCK.finditer(text):
            forms = [_named(form) for form in (found["one"], found["many"]) if form is not None]
            yield "\0".join(forms)


def _named(text: str) -> str:
    """As Django's blocktranslate does: a percent sign doubles, a variable becomes %(name)s."""
    return _VARIABLE.sub(r"%(\1)s", text.replace("%", "%%"))


def in_python(folder: Path = PACKAGE) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _NAMES:
                forms = node.args[: 2 if node.func.id == "ngettext" else 1]
                words = [
                    form.value
                    for form in forms
                    if isinstance(form, ast.Constant) and isinstance(form.value, str)
                ]
                if words:
                    yield "\0".join(words)


def used() -> set[str]:
    return {*in_templates(), *in_python()}


def catalogue() -> dict[str, str]:
    return parse(CATALOGUE.read_text(encoding="utf-8")) if CATALOGUE.is_file() else {}


def main() -> int:
    known = {key for key in catalogue() if key}
    missing, spare = sorted(used() - known), sorted(known - used())
    for key in missing:
        print("missing", repr(key))
    for key in spare:
        print("unused ", repr(key))
    return 1 if missing or spare else 0


if __name__ == "__main__":
    sys.exit(main())
