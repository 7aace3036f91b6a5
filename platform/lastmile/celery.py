"""The worker's side: `celery -A lastmile worker`. One task is one run; the row in PostgreSQL is the truth."""

from __future__ import annotations

import os
import threading
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lastmile.settings")

app = Celery("lastmile")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_acks_late=True,
    # A message whose worker died is void by then: the sweeper has sent the run again with a new attempt.
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="build",
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # Longer than runs take, so that a message is not handed out again meanwhile; one that is finds its run claimed.
    broker_transport_options={
        "visibility_timeout": 7200,
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
        "queue_order_strategy": "round_robin",
    },
    worker_hijack_root_logger=False,
    worker_proc_alive_timeout=30,
)
app.autodiscover_tasks(["lastmile.practice"])

SECRETS = ("DATABASE_URL", "REDIS_URL", "LASTMILE_SECRET_KEY", "CELERY_BROKER_URL", "PGPASSWORD")


@signals.worker_init.connect
def _forget_secrets(**_: Any) -> None:
    """Settings are read by now. No child of the engine may find a credential in what it inherits."""
    from django.conf import settings

    assert settings.configured
    for name in SECRETS:
        os.environ.pop(name, None)


_told_to_stop, _tell_to_stop = os.pipe()  # not inherited by any child


@signals.worker_init.connect
def _listen(**_: Any) -> None:
    threading.Thread(target=_give_back, name="stopper", daemon=True).start()


@signals.worker_ready.connect
def _have_spares(**_: Any) -> None:
    from lastmile.practice import catalog, spares

    spares.ask_for(catalog.everything())


_leaving = threading.Event()


@signals.worker_ready.connect
def _be_known(sender: Any, **_: Any) -> None:
    from lastmile.practice import presence

    presence.keep_saying(sender.app.amqp.queues.consume_from, _leaving)


@signals.worker_shutting_down.connect
def _shutting_down(**_: Any) -> None:
    """In a signal handler, where taking a lock may wait for the very code that was interrupted: only write."""
    os.write(_tell_to_stop, b".")


def _give_back() -> None:
    """Once told, stop the engine; the run goes back to the queue without a failure."""
    from lastmile.practice import work

    os.read(_told_to_stop, 1)
    _leaving.set()
    work.stop_all()
