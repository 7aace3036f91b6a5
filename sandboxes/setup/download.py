"""Fetches one file of a release and believes nothing but its pinned SHA-256."""

from __future__ import annotations

import hashlib
import threading
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from sandboxes.setup.stamps import part_of
from sandboxes.setup.step import Say, SetupError

CONNECT_SECONDS = 5.0
_CHUNK = 1 << 20


class Unreachable(Exception):
    """The address did not answer in time, refused, or does not have the file."""


class WrongChecksum(SetupError):
    """The file came, but it is not the one that was pinned. It has been thrown away."""


def pins(file: Path) -> dict[str, str]:
    """Path below the base address → SHA-256, in the format of sha256sum with `#` comments."""
    lines = (line.split() for line in file.read_text().splitlines() if line and not line.startswith("#"))
    return {path: sha for sha, path in lines}


def fetch(url: str, sha256: str, into: Path, say: Say) -> None:
    """Download to `into`; it appears there only when it is whole and right.

    Raises Unreachable within CONNECT_SECONDS where nothing answers, WrongChecksum for the wrong file.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(into)
    try:
        with _open(url) as answer, part.open("wb") as out:
            seen = _copy(answer, out, say, int(answer.headers.get("Content-Length") or 0))
        if seen != sha256:
            raise WrongChecksum(
                f"{url} has SHA-256 {seen}, pinned is {sha256}",
                "name another address in LASTMILE_K8S_MIRROR, or `off` to build from source",
            )
        part.replace(into)
    except (OSError, HTTPException) as error:
        raise Unreachable(str(error)) from error
    finally:
        part.unlink(missing_ok=True)


def _open(url: str) -> HTTPResponse:
    """urlopen with a bound on the whole of it: a name server that never answers has no timeout of its own."""
    box: list[HTTPResponse | Exception] = []

    def attempt() -> None:
        try:
            box.append(urllib.request.urlopen(url, timeout=CONNECT_SECONDS))
        except (OSError, HTTPException, ValueError) as error:
            box.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if not box:
        raise Unreachable(f"no answer within {CONNECT_SECONDS:.0f} s")
    if isinstance(box[0], Exception):
        reason = box[0].reason if isinstance(box[0], urllib.error.URLError) else box[0]
        raise Unreachable(str(reason)) from box[0]
    return box[0]


def _copy(source: HTTPResponse, out: IO[bytes], say: Say, size: int) -> str:
    sha = hashlib.sha256()
    done = 0
    while chunk := source.read(_CHUNK):
        sha.update(chunk)
        out.write(chunk)
        done += len(chunk)
        say(f"downloaded {done >> 20} of {size >> 20} MB" if size else f"downloaded {done >> 20} MB")
    return sha.hexdigest()
