from __future__ import annotations

from django.urls import include, path

from lastmile.accounts import views as accounts
from lastmile.health import healthz

handler400 = "lastmile.errors.bad_request"
urlpatterns = [
    path("", include("lastmile.course.urls")),
    path("", include("lastmile.practice.urls")),
    path("skills/", include("lastmile.skills.urls")),
    path("class/", include("lastmile.classroom.urls")),
    path("accounts/", include("lastmile.accounts.urls")),
    path("i18n/setlang/", accounts.choose_language, name="set_language"),
    path("healthz", healthz, name="healthz"),
    path("api/v1/", include("lastmile.api.urls")),
]
