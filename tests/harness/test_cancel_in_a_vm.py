"""A run that is withdrawn while its guest is at something long."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from labs.harness import engine, manifest
from labs.harness.submission import read_dir

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
GRADER = """
from labs.harness.checks import check


@check("serves")
def serves(lab):
    lab.step("睡", "sleeping")
    lab.guest.run("sleep", "300", timeout=250.0)
"""


def test_its_end_does_not_wait_for_the_guest(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).with_name("labs"), tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "tracers/states"
    (folder / "grader.py").write_text(GRADER, "utf-8")
    text = (folder / "lab.toml").read_text("utf-8")
    first = text.partition('[[checks]]\nid = "counts"')[0].replace('["6.1", "6.12"]', '["6.12"]')
    (folder / "lab.toml").write_text(first, "utf-8")
    lab = manifest.load("tracers/states", tmp_path)
    cancel, asleep = threading.Event(), threading.Event()

    def hear(event: dict[str, Any]) -> None:
        if event["type"] == "step" and event["text"]["en"] == "sleeping":
            asleep.set()

    def withdraw() -> None:
        if asleep.wait(400):
            cancelled.append(time.monotonic())
        cancel.set()

    cancelled: list[float] = []
    withdrawing = threading.Thread(target=withdraw)
    withdrawing.start()
    with pytest.raises(engine.Cancelled):
        engine.grade(lab, read_dir(folder / "solution"), hear, cancel)
    withdrawing.join()
    assert cancelled
    assert time.monotonic() - cancelled[0] < 30
