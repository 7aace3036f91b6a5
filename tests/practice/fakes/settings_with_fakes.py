"""The settings, with the labs of one trait and a platform that notices things sooner."""

import os
from pathlib import Path

from lastmile.settings import *  # noqa: F403

LABS = Path(os.environ["LASTMILE_TEST_LABS"])
HEARTBEAT_SECONDS = 0.3
QUIET_SECONDS = 7.0  # longer than a worker waits between two tries to reach a database that was away
PAUSES_BETWEEN_TRIES = (0.1, 0.1)
REPUBLISH_SECONDS = 3.0
RUNS_PER_HOUR = 1000
