from __future__ import annotations

from django.urls import path

from lastmile.practice import views_lab, views_run
from lastmile.practice.follow import run_events

LAB = "labs/<slug:track>/<slug:name>/"

urlpatterns = [
    path("labs/", views_lab.labs, name="labs"),
    path(LAB, views_lab.lab, name="lab"),
    path(LAB + "draft", views_lab.draft, name="draft"),
    path(LAB + "submit", views_lab.submit, name="submit"),
    path(LAB + "environment", views_lab.environment, name="environment"),
    path(LAB + "hints/<slug:check>", views_lab.hints, name="hints"),
    path(LAB + "solutions/<slug:other>", views_lab.solution, name="solution"),
    path("runs/<uuid:run_id>/", views_run.run, name="run"),
    path("runs/<uuid:run_id>/withdraw", views_run.withdraw, name="run-withdraw"),
    path("runs/<uuid:run_id>/archive", views_run.archive, name="run-archive"),
    path("runs/<uuid:run_id>/events", run_events, name="run-events"),
]
