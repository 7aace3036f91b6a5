"""`python -m sandboxes.pool`: serve until SIGTERM or SIGINT, then end every sandbox."""

from __future__ import annotations

import logging
import signal
import sys

from sandboxes import folders
from sandboxes.pool.daemon import AlreadyServed, Daemon
from sandboxes.pool.messages import socket_path
from sandboxes.providers import provider


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    daemon = Daemon(socket_path(), provider)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    try:
        daemon.serve()
    except AlreadyServed as error:
        print(error, file=sys.stderr)
        return 1
    folders.remove_own()
    return 0


if __name__ == "__main__":
    sys.exit(main())
