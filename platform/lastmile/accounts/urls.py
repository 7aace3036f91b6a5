from __future__ import annotations

from django.urls import path

from lastmile.accounts import views

urlpatterns = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("password/", views.password, name="password"),
    path("tokens/", views.tokens, name="tokens"),
]
