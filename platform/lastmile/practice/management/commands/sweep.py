from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, connection

from lastmile.accounts import throttle
from lastmile.practice import lifecycle, outbox, streams

log = logging.getLogger(__name__)
EVERY_SECONDS = 2.0
# Advisory lock: several may run, one sweeps.
LOCK = 0x1A57_0001


class Command(BaseCommand):
    help = (
        "Send stored runs that the broker missed and take back those whose worker went quiet, until SIGTERM."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="sweep once and end")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        if once:
            sweep()
            return
        # SIGTERM may end it anywhere: each step is one transaction, or a message that may be sent again.
        with contextlib.suppress(KeyboardInterrupt):
            keep_sweeping()


def keep_sweeping() -> None:
    """Sweep every EVERY_SECONDS. After the database was away, workers first get time to show they live."""
    patient_until = 0.0
    while True:
        time.sleep(EVERY_SECONDS)
        try:
            sweep(lost=time.monotonic() >= patient_until)
        except Error as error:
            log.warning("the database is away: %s", str(error).strip().splitlines()[:1])
            connection.close()
            patient_until = time.monotonic() + settings.QUIET_SECONDS


def sweep(lost: bool = True) -> None:
    """Once: take back lost runs (unless told not to), then send what waits."""
    if not _alone():
        return
    if lost:
        for run in lifecycle.recover_lost():
            streams.tell_of(run)
    outbox.publish_waiting()
    throttle.forget_old()


def _alone() -> bool:
    """Whether this session holds the lock, which lasts as long as its connection."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            " AND objid = %s) OR pg_try_advisory_lock(%s)",
            [LOCK, LOCK],
        )
        row = cursor.fetchone()
    return bool(row and row[0])
