"""Puts together what a check is given, by what the lab's sandbox is."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
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
    """`labs` are the fixtures by kernel: a TracerLab for each kernel of the lab, else one alone, under "".

    That one is a ProgramLab without a sandbox, an OperatorLab with a control plane.
    """

    def __init__(self, channel: Channel, assignment: Message) -> None:
        self._channel = channel
        self.steps = Steps()
        self._program_connects: Gate | None = None
        self._seq_at_launch = 0
        self._numbers = itertools.count(1)
        self._operators: dict[str, Operator] = {}
        channel.on("output", lambda m: self._operators[m.get("kernel", "")].on_lines(m["lines"]))
        channel.on("exited", self._exited)
        self._seed: int = assignment["seed"]
        sandbox = assignment["sandbox"]
        kernels = assignment["kernels"]
        self.labs: dict[str, ProgramLab] = {kernel: self._tracer_lab(kernel) for kernel in kernels}
        if not kernels:
            common = self._common("", self._connected)
            self.labs[""] = self._operator_lab(sandbox, common) if sandbox else ProgramLab(**common)

    def timeline(self) -> list[dict[str, Any]]:
        """Everything that happened, merged; [] where there is no API server."""
        lab = self.labs.get("")
        return merge(lab, self.steps) if isinstance(lab, OperatorLab) else []

    def close(self) -> None:
        for lab in self.labs.values():
            if isinstance(lab, OperatorLab):
                lab.kubelet.close()
                lab.gate.close()
                lab.kube.close()

    def _common(self, kernel: str, connected: Callable[[], bool]) -> dict[str, Any]:
        """Each kernel draws the same from the seed: what differs between them is the kernel."""
        operator = Operator(partial(self._ask, kernel=kernel), connected, self._numbers)
        self._operators[kernel] = operator
        return {
            "operator": operator,
            "random": random.Random(self._seed),
            "seed": self._seed,
            "tell": partial(self._tell, kernel=kernel),
        }

    def _operator_lab(self, sandbox: dict[str, Any], common: dict[str, Any]) -> OperatorLab:
        ends, tokens = sandbox["endpoints"], sandbox["tokens"]
        kube = Kube(ends["api"], tokens["grader"], sandbox["ca"])
        gate = self._program_connects = Gate(ends["gate_control"], tokens["gate_control"], sandbox["ca"])
        audit = Audit(Path(sandbox["audit_log"]), kube)
        return OperatorLab(kube=kube, gate=gate, audit=audit, kubelet=Kubelet(kube), **common)

    def _tracer_lab(self, kernel: str) -> TracerLab:
        guest = Guest(kernel, partial(self._channel.ask_guest, kernel))
        common = self._common(kernel, lambda: True)
        return TracerLab(guest=guest, sources=self._channel.sources, diagnose=self._diagnose, **common)

    def _exited(self, message: Message) -> None:
        for operator in self._operators.values():
            operator.on_exit(message["process"], message["code"], message["stopped_by"])

    def _ask(
        self,
        do: str,
        process: int,
        env: dict[str, str] | None = None,
        args: list[str] | None = None,
        kernel: str = "",
    ) -> None:
        if do == "start_operator" and self._program_connects:
            self._seq_at_launch = self._program_connects.seq()
        self._channel.ask(do, process=process, env=env, args=args, kernel=kernel)

    def _connected(self) -> bool:
        gate = self._program_connects
        return gate is None or bool(gate.requests(self._seq_at_launch))

    def _tell(self, text: Text, command: str, kernel: str = "") -> None:
        self.steps.add(text)
        extra = {"command": command} if command else {}
        if kernel:
            extra["kernel"] = kernel
        self._channel.emit("step", source="grader", text=text.json(), **extra)

    def _diagnose(self, refusal: Refusal) -> None:
        """The verifier's refusal, for the editor."""
        self._channel.emit(
            "diagnostic",
            tool="verifier",
            file=refusal.file,
            line=refusal.line,
            column=0,
            message=refusal.said,
            advice=False,
            text=refusal.text.json(),
            why=refusal.why.json(),
        )
