"""Puts together what a check is given, by what the lab's sandbox is."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from labs.harness.audit import Audit
from labs.harness.channel import Channel
from labs.harness.events import Text
from labs.harness.gate import Gate
from labs.harness.kube import Kube
from labs.harness.kubelet import Kubelet
from labs.harness.operator_lab import OperatorLab, ProgramLab
from labs.harness.process import Operator
from labs.harness.protocol import Message
from labs.harness.timeline import Steps, merge


class Fixtures:
    """`lab` is the fixture: a ProgramLab without a sandbox, an OperatorLab with a control plane."""

    def __init__(self, channel: Channel, assignment: Message) -> None:
        self._channel = channel
        self.steps = Steps()
        self._program_connects: Gate | None = None
        self._seq_at_launch = 0
        operator = Operator(self._ask, self._connected)
        channel.on("output", lambda message: operator.on_lines(message["lines"]))
        channel.on("exited", lambda m: operator.on_exit(m["process"], m["code"], m["stopped_by"]))
        seed = assignment["seed"]
        common: dict[str, Any] = {
            "operator": operator,
            "random": random.Random(seed),
            "seed": seed,
            "tell": self._tell,
        }
        sandbox = assignment["sandbox"]
        self.lab: ProgramLab = self._operator_lab(sandbox, common) if sandbox else ProgramLab(**common)

    def _operator_lab(self, sandbox: dict[str, Any], common: dict[str, Any]) -> OperatorLab:
        ends, tokens = sandbox["endpoints"], sandbox["tokens"]
        kube = Kube(ends["api"], tokens["grader"], sandbox["ca"])
        gate = self._program_connects = Gate(ends["gate_control"], tokens["gate_control"], sandbox["ca"])
        audit = Audit(Path(sandbox["audit_log"]), kube)
        return OperatorLab(kube=kube, gate=gate, audit=audit, kubelet=Kubelet(kube), **common)

    def timeline(self) -> list[dict[str, Any]]:
        """Everything that happened, merged; [] where there is no API server."""
        if not isinstance(self.lab, OperatorLab):
            return []
        return merge(self.lab, self.steps)

    def close(self) -> None:
        if isinstance(self.lab, OperatorLab):
            self.lab.kubelet.close()
            self.lab.gate.close()
            self.lab.kube.close()

    def _ask(self, do: str, process: int, env: dict[str, str] | None = None) -> None:
        if do == "start_operator" and self._program_connects:
            self._seq_at_launch = self._program_connects.seq()
        self._channel.ask(do, process=process, env=env)

    def _connected(self) -> bool:
        gate = self._program_connects
        return gate is None or bool(gate.requests(self._seq_at_launch))

    def _tell(self, text: Text, command: str) -> None:
        self.steps.add(text)
        extra = {"command": command} if command else {}
        self._channel.emit("step", source="grader", text=text.json(), **extra)
