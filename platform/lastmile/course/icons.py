"""Icons, drawn on a 24-pixel grid. One file for templates and scripts: assets/src/icons.json."""

from __future__ import annotations

import json
from pathlib import Path

_FILE = Path(__file__).resolve().parents[1] / "assets" / "src" / "icons.json"
ICONS: dict[str, str] = json.loads(_FILE.read_text(encoding="utf-8"))
