"""The grader process: `python -m labs.harness.grader`, started by the engine, never by hand.

It runs in a jail inside the sandbox's network, with a uid of its own and an empty environment; all it
knows comes as the first line on standard input. It loads the lab's grader.py and prepares while the
learner's program is still being built, and begins when the engine says go.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from labs.harness import checks, manifest, pace
from labs.harness.channel import Channel
from labs.harness.events import Text
from labs.harness.fixtures import Fixtures
from labs.harness.process import CrashedAtStart
from labs.harness.protocol import Message
from labs.harness.runner import Runner

_LONGEST_LINE = 240  # of a program's last words in the reason; the log has all of it


def main() -> int:
    channel = Channel(sys.stdin.buffer, sys.stdout.buffer)
    sys.stdout = sys.stderr  # what a grader prints is its own log, not the protocol
    try:
        return _grade(channel, channel.first())
    except BaseException:  # noqa: BLE001  whatever broke here is ours; the engine must hear of it
        channel.send("broken", log=traceback.format_exc()[-8000:])
        return 3


def _grade(channel: Channel, assignment: Message) -> int:
    lab = manifest.load(assignment["lab"], Path(assignment["root"]))
    load_checks(lab)
    fixtures = Fixtures(channel, assignment)
    channel.on("pace", lambda message: pace.tell("engine", message["factor"]))
    channel.follow()
    runner = Runner(lab, checks.registered(), channel.emit, frozenset(assignment["only"]))
    runner.stop_at_failure = assignment["stop"]
    runner.kernel = assignment["kernel"]
    runner.settle = channel.settle
    fixtures.lab.on_step = lambda text: setattr(runner, "last_step", text)
    runner.verify()
    prepare = checks.preparation()
    if prepare:
        prepare(fixtures.lab)
    channel.send("ready")
    if not channel.wait_go():
        return 0
    crashed = _run(runner, fixtures, assignment["seconds"])
    _tell_timeline(fixtures, channel)
    channel.send("done", crashed=crashed is not None, reason=_reason(crashed).json())
    fixtures.close()
    return 0


def _tell_timeline(fixtures: Fixtures, channel: Channel) -> None:
    """Where it cannot be told, the page lacks it; the verdict stands."""
    try:
        if entries := fixtures.timeline():
            channel.emit("timeline", entries=entries)
    except Exception:  # noqa: BLE001
        traceback.print_exc()


def _run(runner: Runner, fixtures: Fixtures, seconds: float) -> CrashedAtStart | None:
    runner.deadline = pace.now() + seconds
    runner.latest = time.monotonic() + seconds * pace.CROWDED
    try:
        runner.run(fixtures.lab)
    except CrashedAtStart as crash:
        runner.give_up()
        return crash
    return None


def load_checks(lab: manifest.Lab) -> None:
    """Import the lab's grader.py, which registers its checks. Raises what that raises."""
    checks.forget()
    file = lab.folder / "grader.py"
    name = "labs." + lab.slug.replace("/", ".") + ".grader"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(file)
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _reason(crash: CrashedAtStart | None) -> Text:
    if crash is None:
        return Text("", "")
    how_zh, how_en = crash.exit.describe()
    advice_zh, advice_en = crash.exit.advise()
    last = [line[:_LONGEST_LINE] for line in crash.log.strip().splitlines()[-12:]]
    tail = "\n" + "\n".join(last) if last else ""
    return Text(
        f"程序还没有访问 API server 就结束了（{how_zh}）。{advice_zh}{tail}",
        f"the program ended before it asked the API server for anything ({how_en}). {advice_en}{tail}",
    )


if __name__ == "__main__":
    sys.exit(main())
