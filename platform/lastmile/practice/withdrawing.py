"""Taking a run back: ended at once, and told to whom it concerns."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404

from lastmile.accounts.models import User
from lastmile.practice import lifecycle, streams
from lastmile.practice.models import Run


def withdraw(user: User, run_id: UUID) -> Run:
    """End a run of theirs that they do not want any more; one that is over stays as it is. Raises Http404."""
    if not Run.objects.filter(pk=run_id, user=user).exists():
        raise Http404(str(run_id))
    run, ended = lifecycle.withdraw(run_id)
    if ended:
        streams.let_go(run.pk, run.attempt)
        streams.tell_of(run)
    return run
