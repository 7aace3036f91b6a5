from __future__ import annotations

from django.apps import AppConfig

from lastmile.course import translations


class CourseConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "lastmile.course"

    def ready(self) -> None:
        translations.compile_all()
