from __future__ import annotations

from django.urls import path

from lastmile.skills import views

urlpatterns = [path("", views.matrix, name="matrix")]
