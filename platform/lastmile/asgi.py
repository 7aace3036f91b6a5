"""The site under ASGI: static files first, without a thread of Django's, then Django."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parents[1])]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lastmile.settings")
os.environ["LASTMILE_POOL"] = os.environ.get("LASTMILE_POOL") or "1"

from django.core.asgi import get_asgi_application  # noqa: E402

django_application = get_asgi_application()

from django.conf import settings  # noqa: E402

from lastmile.bodies import BoundedBodies  # noqa: E402
from lastmile.static_files import StaticFiles  # noqa: E402

application = StaticFiles(BoundedBodies(django_application, settings.REQUEST_MAX_BYTES))
