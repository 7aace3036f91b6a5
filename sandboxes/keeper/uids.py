"""A uid of its own for every jail that stands at the same time.

The lock is the kernel's record lock on one byte per uid, so that it is free again when its keeper has
ended, however it ended. The range is one that neither Debian nor systemd hands out (systemd.io, UIDS-GIDS).
"""

import fcntl
import os
import secrets

# One file for the machine, whatever LASTMILE_RUN says: a uid is the machine's. Containers that run jails at the same
# time have to share this folder.
LOCK = "/run/lastmile/uids"
FIRST, COUNT = 60_600, 580


def take() -> int:
    """A uid that no other jail of this machine has while this process lives. Raises OSError when all are taken."""
    # never closed: closing any descriptor of the file would give every lock of this process back
    os.makedirs(os.path.dirname(LOCK), mode=0o755, exist_ok=True)
    fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    begin = secrets.randbelow(COUNT)
    for step in range(COUNT):
        number = (begin + step) % COUNT
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):
            continue
        return FIRST + number
    raise OSError("every uid for jails is in use")
