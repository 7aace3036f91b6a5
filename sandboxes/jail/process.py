"""Start commands in jails. The caller's side of sandboxes/keeper."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from sandboxes.interface import Completed, StartFailed, Unavailable, check_name
from sandboxes.jail.model import Command
from sandboxes.keeper.cgroup import Cgroup, name_of
from sandboxes.paths import run_dir

_KEEPER = Path(__file__).resolve().parents[1] / "keeper" / "__main__.py"
_TAIL_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024
_SYSTEM_LINKS = (("/bin", "usr/bin"), ("/sbin", "usr/sbin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64"))

OnOutput = Callable[[bytes], None]


def bubblewrap() -> str:
    """The path of bwrap. Raises Unavailable with the remedy."""
    found = shutil.which("bwrap", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin")
    if not found:
        raise Unavailable("bubblewrap is missing: apt-get install bubblewrap")
    return found


def tag() -> str:
    """Six letters in the name of every cgroup that belongs to this LASTMILE_RUN."""
    return hashlib.sha256(str(run_dir()).encode()).hexdigest()[:6]


def _spec(command: Command) -> dict[str, Any]:
    for file in command.files:
        check_name(file)
    root = os.geteuid() == 0
    limits = command.limits
    name = re.sub(r"[^a-z0-9-]", "-", command.label.lower())[:40]
    binds = [(str(b.source), b.dest) for b in command.binds]
    if command.system:
        binds.insert(0, ("/usr", "/usr"))
    return {
        "id": f"{name}-{tag()}-{secrets.token_hex(4)}",
        "bwrap": bubblewrap(),
        "root": root,
        "argv": list(command.argv),
        "env": dict(command.env),
        "cwd": command.cwd,
        "binds": binds,
        "links": _SYSTEM_LINKS if command.system else (),
        "overlays": [{"lower": str(o.lower), "dest": o.dest, "seed": dict(o.seed)} for o in command.overlays],
        "files": [(name, len(content)) for name, content in command.files.items()],
        "limits": {
            "memory_bytes": limits.memory_bytes,
            "processes": limits.processes,
            "cpus": limits.cpus,
            "cpu_seconds": limits.cpu_seconds,
            "wall_seconds": limits.wall_seconds,
            "disk_bytes": limits.disk_bytes,
            "open_files": limits.open_files,
        },
        "netns": command.network,
        "export": command.export is not None,
        "devices": list(command.devices),
    }


def _start_keeper(control: int, command: Command, stdin: bool) -> subprocess.Popen[bytes]:
    export = command.export
    target = os.open(export, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW) if export else -1
    passed = [*([target] if export else []), *command.descriptors]
    try:
        return subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                str(_KEEPER),
                *(str(fd) for fd in (control, target, *command.descriptors)),
            ],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[control, *passed],
            start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )
    finally:
        if export:
            os.close(target)


class Process:
    """A command that runs in a jail. `stdin` is there when it was asked for; `wait` may be called often."""

    def __init__(self, command: Command, stdin: bool = False, on_output: OnOutput | None = None) -> None:
        spec = _spec(command)
        self.id: str = spec["id"]
        self._limit = command.limits.output_bytes
        self._on_output = on_output
        self._output = bytearray()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._result: Completed | None = None
        self._broken = ""
        self._listener_failed: Exception | None = None
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._keeper = _start_keeper(theirs.fileno(), command, stdin)
        except BaseException:
            ours.close()
            raise
        self._control = ours
        self.stdin: IO[bytes] | None = self._keeper.stdin
        self._send_spec(spec, command)
        self._reader = threading.Thread(target=self._read, name=f"output of {self.id}", daemon=True)
        self._reader.start()
        threading.Thread(target=self._await_result, name=f"end of {self.id}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The keeper's pid. Its life is the jail's life."""
        return self._keeper.pid

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    def output(self) -> bytes:
        """What came so far, up to the output limit (or the last 64 KiB where there is none)."""
        with self._lock:
            return bytes(self._output)

    def wait(self, timeout: float | None = None) -> Completed | None:
        """The result, or None when it has not ended within `timeout`. Raises StartFailed when the jail broke."""
        if not self._ended.wait(timeout):
            return None
        if self._result is None:
            raise StartFailed(
                f"the jail could not be kept: {self._broken}", self.output().decode(errors="replace")
            )
        return self._result

    def terminate(self) -> None:
        """SIGTERM to the command itself."""
        self._say(b"t")

    def interrupt(self) -> None:
        self._say(b"i")

    def kill(self, timeout: float = 15.0) -> None:
        """End everything in the jail at once and wait until it is removed. Idempotent."""
        self._say(b"k")
        if not self._ended.wait(timeout):
            # a keeper that cannot even be told: bubblewrap dies with it and the reaper does the rest
            self._keeper.kill()
            self._ended.wait(timeout)

    def pids(self) -> list[int]:
        """What runs in it, as this process numbers it; [] without control groups."""
        return Cgroup(name_of(self.id, self.pid)).pids()

    def freeze(self, frozen: bool) -> None:
        """Stop the processes from being scheduled, or let them go on."""
        self._say(b"f" if frozen else b"g")

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(word)

    def _send_spec(self, spec: dict[str, Any], command: Command) -> None:
        text = json.dumps(spec).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._control.sendall(len(text).to_bytes(8, "big") + text)
            for content in command.files.values():
                self._control.sendall(content)

    def _read(self) -> None:
        stream = self._keeper.stdout
        assert stream is not None
        said = False
        while part := os.read(stream.fileno(), _READ_BYTES):
            room = self._keep(part)
            if room:
                self._hand_on(part[:room])
            if room < len(part) and not said:
                said = True
                self._say(b"o")
        stream.close()

    def _hand_on(self, part: bytes) -> None:
        if self._on_output is None:
            return
        try:
            self._on_output(part)
        except Exception as error:  # noqa: BLE001  the pipe must be read on, or the command hangs in its write
            self._on_output = None
            self._listener_failed = error
            self._say(b"k")

    def _keep(self, part: bytes) -> int:
        """Store what fits; how much of `part` that was."""
        with self._lock:
            if self._limit:
                room = max(0, self._limit - len(self._output))
                self._output += part[:room]
                return min(room, len(part))
            self._output += part
            del self._output[:-_TAIL_BYTES]
            return len(part)

    def _await_result(self) -> None:
        answer: dict[str, Any] = {}
        with contextlib.suppress(OSError), self._control.makefile("rb") as lines:
            for line in lines:
                answer = json.loads(line)
                if "frozen" not in answer:
                    break
        self._keeper.wait()
        # the pipe ends when the jail has; a reader that lags still has to see the last words
        self._reader.join(10)
        self._control.close()
        if self._listener_failed is not None:
            self._broken = f"its listener failed: {self._listener_failed!r}"
        elif "seconds" in answer:
            self._result = Completed(output=self.output(), **answer)
        else:
            self._broken = answer.get("broken", "") or self._keepers_end()
        self._ended.set()

    def _keepers_end(self) -> str:
        if self._keeper.returncode < 0:
            return f"the keeper was killed by signal {-self._keeper.returncode}"
        last = self.output().decode(errors="replace").strip().rpartition("\n")[2]
        return f"the keeper ended with {self._keeper.returncode}, the last line is {last!r}"


def start(command: Command, stdin: bool = False, on_output: OnOutput | None = None) -> Process:
    """Start `command` and return at once. `on_output` is called from a thread of the process's own."""
    return Process(command, stdin=stdin, on_output=on_output)


def run(command: Command, stdin: bytes = b"", on_output: OnOutput | None = None) -> Completed:
    """Run `command` to its end. Limits are results; raises StartFailed when the jail itself broke."""
    process = start(command, stdin=bool(stdin), on_output=on_output)
    try:
        if process.stdin:
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(stdin)
        result = process.wait()
    finally:
        process.kill()
    assert result is not None
    return result
