"""Puts together what a check is given, by what the lab's sandbox is."""

from __future__ import annotations

import itertools
import random
from functools import partial
from pathlib import Path
from typing import Any

from labs.harness.audit import Audit
from labs.harness.channel import Channel
from labs.harness.events import Text
from labs.harness.gate import Gate
from labs.harness.guest import Guest
from labs.harness.kube import Kube
from labs.harness.kubelet import Kubelet
from labs.harness.operator_lab import OperatorLab, ProgramLab
from labs.harness.process import Operator
from labs.harness.protocol import Message
from labs.harness.timeline import Steps, merge
from labs.harness.tracer_lab import TracerLab
from labs.harness.verifier import Refusal


class Fixtures:
    """`lab` is what the checks get: a TracerLab where the assignment names a kernel, an OperatorLab where it has a
    control plane, a ProgramLab without a sandbox.
    """

    def __init__(self, channel: Channel, assignment: Message) -> None:
        self._channel = channel
        self.steps = Steps()
        self._program_connects: Gate | None = None
        self._seq_at_launch = 0
        self._numbers = itertools.count(1)
        self._kernel: str = assignment["kernel"]
        self._operator = operator = Operator(self._ask, self._connected, self._numbers)
        channel.on("output", lambda m: operator.on_lines(m["lines"]))
        channel.on("exited", lambda m: operator.on_exit(m["process"], m["code"], m["stopped_by"]))
        self.lab = self._make(assignment)

    def timeline(self) -> list[dict[str, Any]]:
        """Everything that happened, merged; [] where there is no API server."""
        return merge(self.lab, self.steps) if isinstance(self.lab, OperatorLab) else []

    def close(self) -> None:
        if isinstance(self.lab, OperatorLab):
            self.lab.kubelet.close()
            self.lab.gate.close()
            self.lab.kube.close()

    def _make(self, assignment: Message) -> ProgramLab:
        """Each kernel draws the same from the seed: what differs between them is the kernel."""
        seed: int = assignment["seed"]
        common: dict[str, Any] = {
            "operator": self._operator,
            "random": random.Random(seed),
            "seed": seed,
            "tell": self._tell,
        }
        if self._kernel:
            return self._tracer_lab(common)
        sandbox = assignment["sandbox"]
        return self._operator_lab(sandbox, common) if sandbox else ProgramLab(**common)

    def _operator_lab(self, sandbox: dict[str, Any], common: dict[str, Any]) -> OperatorLab:
        ends, tokens = sandbox["endpoints"], sandbox["tokens"]
        kube = Kube(ends["api"], tokens["grader"], sandbox["ca"])
        gate = self._program_connects = Gate(ends["gate_control"], tokens["gate_control"], sandbox["ca"])
        audit = Audit(Path(sandbox["audit_log"]), kube)
        return OperatorLab(kube=kube, gate=gate, audit=audit, kubelet=Kubelet(kube), **common)

    def _tracer_lab(self, common: dict[str, Any]) -> TracerLab:
        return TracerLab(
            guest=Guest(self._kernel, self._channel.ask_guest),
            sources=self._channel.sources,
            diagnose=self._diagnose,
            measured=partial(self._channel.emit, kernel=self._kernel),
            **common,
        )

    def _ask(
        self, do: str, process: int, env: dict[str, str] | None = None, args: list[str] | None = None
    ) -> None:
        if do == "start_operator" and self._program_connects:
            self._seq_at_launch = self._program_connects.seq()
        self._channel.ask(do, process=process, env=env, args=args)

    def _connected(self) -> bool:
        gate = self._program_connects
        return gate is None or bool(gate.requests(self._seq_at_launch))

    def _tell(self, text: Text, command: str) -> None:
        self.steps.add(text)
        extra = {"command": command} if command else {}
        if self._kernel:
            extra["kernel"] = self._kernel
        self._channel.emit("step", source="grader", text=text.json(), **extra)

    def _diagnose(self, refusal: Refusal) -> None:
        """The verifier's refusal, for the editor."""
        self._channel.emit(
            "diagnostic",
            tool="verifier",
            kernel=self._kernel,
            file=refusal.file,
            line=refusal.line,
            column=0,
            message=refusal.said,
            advice=False,
            text=refusal.text.json(),
            why=refusal.why.json(),
            log={
                "lines": list(refusal.log.lines),
                "refused": refusal.log.refused,
                "said": refusal.log.said,
                "left_out": refusal.log.left_out,
            },
        )
