"""`manage.py prune`: logs go, all else of a run stays."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from made import a_run, finished

from lastmile.accounts.models import User
from lastmile.practice.models import Run, RunLog

pytestmark = pytest.mark.usefixtures("fake_labs")


def _prune(days: int) -> str:
    said = StringIO()
    call_command("prune", days=days, stdout=said)
    return said.getvalue().strip()


def test_it_works(owner: User, client: Client) -> None:
    old, young, live = finished(owner, "fail"), finished(owner, "fail"), a_run(owner)
    Run.objects.filter(pk=old.pk).update(finished_at=timezone.now() - timedelta(days=91))
    assert _prune(90) == "1 logs"
    assert _prune(90) == "0 logs"
    assert set(RunLog.objects.values_list("run", flat=True)) == {young.pk}
    assert Run.objects.filter(pk=live.pk).exists()

    client.force_login(owner)
    page = client.get(old.get_absolute_url(), headers={"accept-language": "en"})
    assert "The log of this run is not kept any more." in page.content.decode()
    assert [check["status"] for check in page.context["checks"]] == ["passed", "failed"]
    assert b"event: end" in b"".join(async_to_sync(_all)(client.get(f"/runs/{old.pk}/events")))


async def _all(answer: Any) -> list[bytes]:
    return [part async for part in answer]


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_days_that_make_no_sense_are_refused(days: int) -> None:
    with pytest.raises(CommandError, match="--days"):
        _prune(days)
