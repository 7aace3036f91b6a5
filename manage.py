#!/usr/bin/env python
"""Django's command line, with the two source roots on sys.path (docs/adr/0001)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def main() -> None:
    # After the script's own folder, so that a stray module in platform/ can never hide one of Python's.
    sys.path[1:1] = [str(ROOT / "platform")]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lastmile.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
