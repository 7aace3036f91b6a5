from __future__ import annotations

from django.urls import path

from lastmile.course import views

urlpatterns = [
    path("", views.home, name="home"),
    path("chapters/", views.chapters, name="chapters"),
    path("chapters/<path:slug>/position", views.position, name="position"),
    path("chapters/<path:slug>/", views.chapter, name="chapter"),
    path("diagrams/", views.diagram_frame, name="diagram-frame"),
]
