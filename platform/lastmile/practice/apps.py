from __future__ import annotations

from django.apps import AppConfig


class PracticeConfig(AppConfig):
    name = "lastmile.practice"

    def ready(self) -> None:
        # Makes it Celery's current app: tasks are sent to our broker, and not to Celery's default one.
        import lastmile.celery  # noqa: F401
