"""Turns locale/*/LC_MESSAGES/*.po into .mo without the gettext tools (docs/adr/0005-translations.md)."""

from __future__ import annotations

import ast
import os
import struct
import tempfile
from pathlib import Path

LOCALE = Path(__file__).resolve().parents[1] / "locale"
_MAGIC = 0x950412DE


def parse(po: str) -> dict[str, str]:
    """The catalogue of a .po file: message id → translation.

    A context is put before the id with \\x04, plural forms are joined with \\0, as gettext does.
    Entries without a translation, and obsolete or fuzzy ones, are left out.
    """
    catalogue: dict[str, str] = {}
    for block in po.split("\n\n"):
        fields = _fields(block)
        if "msgid" not in fields or _is_fuzzy(block):
            continue
        key = fields["msgid"]
        if "msgctxt" in fields:
            key = f"{fields['msgctxt']}\x04{key}"
        if "msgid_plural" in fields:
            key = f"{key}\0{fields['msgid_plural']}"
            text = "\0".join(v for k, v in sorted(fields.items()) if k.startswith("msgstr["))
        else:
            text = fields.get("msgstr", "")
        if text:
            catalogue[key] = text
    return catalogue


def _is_fuzzy(block: str) -> bool:
    return any(line.startswith("#,") and "fuzzy" in line for line in block.splitlines())


def _fields(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for raw in block.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if not line.startswith('"'):
            name, _, line = line.partition(" ")
            fields[name] = ""
        fields[name] += str(ast.literal_eval(line))
    return fields


def binary(catalogue: dict[str, str]) -> bytes:
    """The GNU .mo form of a catalogue, sorted, without the optional hash table."""
    pairs = sorted((key.encode(), text.encode()) for key, text in catalogue.items())
    ids, texts = bytearray(), bytearray()
    rows: list[tuple[int, int, int, int]] = []
    for key, text in pairs:
        rows.append((len(key), len(ids), len(text), len(texts)))
        ids += key + b"\0"
        texts += text + b"\0"
    start = 7 * 4
    ids_at = start + len(pairs) * 16
    texts_at = ids_at + len(ids)
    keys_table = b"".join(struct.pack("<II", row[0], row[1] + ids_at) for row in rows)
    texts_table = b"".join(struct.pack("<II", row[2], row[3] + texts_at) for row in rows)
    head = struct.pack("<7I", _MAGIC, 0, len(pairs), start, start + len(pairs) * 8, 0, 0)
    return head + keys_table + texts_table + bytes(ids) + bytes(texts)


def compile_all(locale: Path = LOCALE) -> list[Path]:
    """Writes each .mo that is missing or older than its .po; returns those written."""
    written: list[Path] = []
    for po in sorted(locale.glob("*/LC_MESSAGES/*.po")):
        mo = po.with_suffix(".mo")
        if mo.exists() and mo.stat().st_mtime_ns >= po.stat().st_mtime_ns:
            continue
        _replace(mo, binary(parse(po.read_text(encoding="utf-8"))))
        written.append(mo)
    return written


def _replace(target: Path, content: bytes) -> None:
    """Several processes start at once: each writes its own file and renames it."""
    handle, name = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).chmod(0o644)
    Path(name).replace(target)
