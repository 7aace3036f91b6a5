from __future__ import annotations

from django.urls import path

from lastmile.api import views
from lastmile.practice.follow import run_events

urlpatterns = [
    path("labs", views.labs, name="api-labs"),
    path("submissions", views.submissions, name="api-submissions"),
    path("runs/<uuid:run_id>", views.run, name="api-run"),
    path("runs/<uuid:run_id>/withdraw", views.withdraw, name="api-run-withdraw"),
    path("runs/<uuid:run_id>/events", run_events, name="api-run-events"),
]
