from __future__ import annotations

from django.urls import path

from lastmile.classroom import views

urlpatterns = [
    path("<slug:slug>/", views.dashboard, name="dashboard"),
    path("<slug:slug>/events", views.events, name="dashboard-events"),
]
