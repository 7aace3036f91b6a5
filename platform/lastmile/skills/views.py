from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from lastmile.http import AuthedRequest
from lastmile.skills import matrix as skill_matrix


@login_required
@never_cache
@require_GET
def matrix(request: AuthedRequest) -> HttpResponse:
    return render(request, "skills/matrix.html", {"matrix": skill_matrix.of(request.user)})
