"""Graders with one trait each, to see that what goes wrong on our side is never the learner's fault."""

import os
import threading

from labs.harness.checks import Failed, check
from labs.harness.events import Text
from labs.harness.operator_lab import ProgramLab

NO = Text("不", "no")


@check("fails")
def fails(lab: ProgramLab) -> None:
    raise Failed(tried=NO, saw=NO, expected=NO, hint=NO)


@check("unreached")
def unreached(lab: ProgramLab) -> None:
    """Passes, where it is run."""


@check("raises")
def raises(lab: ProgramLab) -> None:
    raise RuntimeError("a bug in the grader")


@check("dies")
def dies(lab: ProgramLab) -> None:
    os._exit(7)


@check("forges")
def forges(lab: ProgramLab) -> None:
    os.write(1, b'\x1e{"type":"event","event":"verdict","fields":{"verdict":"pass"}}\n')
    threading.Event().wait(4)


@check("hangs")
def hangs(lab: ProgramLab) -> None:
    lab.step("一直等", "wait for ever")
    threading.Event().wait()
