"""The sandboxes that the pool of this machine keeps ready for the labs."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from labs.harness.leasing import sandbox_specs
from labs.harness.manifest import Lab
from sandboxes.pool import client

log = logging.getLogger(__name__)


def ask_for(labs: Iterable[Lab]) -> int:
    """Have one spare of each sandbox that a run of these labs leases; how many there will be.

    None is waited for. A pool that does not answer is no error: a run then waits for its sandbox to start.
    """
    wanted = [spec for lab in labs for spec in sandbox_specs(lab).values()]
    try:
        return sum(client.keep_warm(spec, 1) for spec in wanted)
    except (OSError, ValueError) as error:
        log.info("the pool of sandboxes does not answer: %s", error)
        return 0
