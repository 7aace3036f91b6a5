"""The engine's end of one grader process: starts it, carries out what it asks for, hears its results."""

from __future__ import annotations

import queue
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from labs.harness import pace
from labs.harness.ailing import Ailments
from labs.harness.events import Emitter, Text
from labs.harness.jails import Jails
from labs.harness.learner import Callbacks, Learner
from labs.harness.machine import REFERENCE, Machine, MachineLost
from labs.harness.machine_operations import Answer
from labs.harness.manifest import LABS, Lab
from labs.harness.process import Exit
from labs.harness.protocol import FROM_GRADER, MAX_LINE, RS, BrokenProtocol, Message, decode, encode
from sandboxes import jail
from sandboxes.interface import Completed, Handle, StartFailed
from sandboxes.setup.modules import reference
from sandboxes.vm.errors import GuestError, Refused, TooLarge

MIB = 1 << 20
_KEPT_LOG = 16_000
ROOT_INSIDE = "/root-of-labs"


@dataclass(frozen=True)
class Options:
    """How to run: only these checks (and what they need), and whether the first failed check ends it.
    Without `advice` go vet is left out.
    """

    only: tuple[str, ...] = ()
    stop_at_failure: bool = False
    advice: bool = True


@dataclass(frozen=True)
class Outcome:
    """How the grader process ended its work. `broken` is a log when it is our fault, else "".

    `crashed` is the sentence for the learner when the program ended right after its start. `ailments` are
    those of the sandbox (and "grader" when its memory ran out): with them no result counts.
    """

    broken: str = ""
    crashed: Text | None = None
    ailments: Ailments = field(default_factory=dict)


class Session:
    """One grader process, on one kernel where the lab has kernels. start() → go() → outcome.

    `changed` is notified of all that happens; `told` hears what the grader says of a check.
    """

    def __init__(
        self,
        lab: Lab,
        sandbox: Mapping[str, Any],
        jails: Jails,
        emitter: Emitter,
        changed: threading.Condition,
        told: Callable[[str, Mapping[str, Any]], None],
        *,
        seed: int,
        options: Options,
        kernel: str = "",
        machine: Handle | None = None,
    ) -> None:
        self._lab, self._sandbox, self._jails, self._emitter = lab, sandbox, jails, emitter
        self._name = f"session {id(self)}"
        self._seed, self._options, self.kernel, self._told = seed, options, kernel, told
        callbacks = Callbacks(self._lines, self._cut, self._exited, self._break)
        self._learner = Learner(lab, sandbox, jails, callbacks)
        self._machine = Machine(kernel, machine, lab, callbacks) if machine else None
        self._inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._partial = b""
        self._own_log = b""
        self._writing = threading.Lock()
        self._changed = changed
        self._program = Path()
        self._process: jail.Process | None = None
        self._ended: Completed | None = None
        self.outcome: Outcome | None = None

    def start(self) -> None:
        """Start it and hand it the assignment. Raises StartFailed, Cancelled."""
        self._process = self._jails.start(self._command(), stdin=True, on_output=self._take)
        threading.Thread(target=self._follow, name="grader", daemon=True).start()
        threading.Thread(target=self._await_end, name="end of grader", daemon=True).start()
        sandbox = {**self._sandbox, "audit_log": "/audit.log"} if self._sandbox else {}
        seconds = self._lab.limits.seconds
        self._send(
            "assignment",
            lab=self._lab.slug,
            root=ROOT_INSIDE,
            seed=self._seed,
            sandbox=sandbox,
            seconds=seconds,
            kernel=self.kernel,
            only=list(self._options.only),
            stop=self._options.stop_at_failure,
        )

    def go(self, program: Path, bpf: Path | None = None, sources: Mapping[str, str] | None = None) -> None:
        """Let the checks begin; `program` is what start_operator starts, `bpf` the eBPF object in it.

        `sources` are the learner's C files, for the verifier's messages.
        """
        self._program = program
        if self._machine:
            self._machine.object, self._machine.built = bpf, program
        self._send("go", sources=dict(sources or {}))

    def close(self) -> None:
        pace.tell(self._name, 1.0)  # what runs next in this process is another sandbox's
        if self._machine:
            self._machine.close()
        self._learner.close()
        self._inbox.put(b"")

    def _command(self) -> jail.Command:
        python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        base, site = Path(sys.base_prefix).resolve(), Path(httpx.__file__).resolve().parents[1]
        root = self._lab.folder.parents[1]
        binds = [jail.Bind(LABS, "/grader/labs"), jail.Bind(root, ROOT_INSIDE), jail.Bind(site, "/site")]
        if not base.is_relative_to("/usr"):
            binds.append(jail.Bind(base, str(base)))
        if self._sandbox:
            binds.append(jail.Bind(Path(self._sandbox["audit_log"]), "/audit.log"))
        return jail.Command(
            # -P, -S: nothing is imported from the working folder or by .pth files
            argv=(str(python), "-P", "-S", "-B", "-m", "labs.harness.grader"),
            env={"PYTHONPATH": "/grader:/site", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "HOME": "/tmp"},
            binds=tuple(binds),
            limits=jail.Limits(
                memory_bytes=512 * MIB,
                processes=64,
                wall_seconds=0.0,
                disk_bytes=64 * MIB,
                output_bytes=0,
            ),
            network=self._sandbox.get("netns"),
            system=True,
            label="grader",
        )

    def _send(self, type_: str, **fields: Any) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        line = encode({"type": type_, **fields})
        with self._writing:
            try:
                process.stdin.write(line)
                process.stdin.flush()
            except (BrokenPipeError, ValueError):
                pass  # it ended; _await_end says so

    def _take(self, data: bytes) -> None:
        """From the jail's reader: whole lines go to the handling thread, which may block."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > MAX_LINE:
            self._partial = b""
            self._break("the grader sent a line without end")
        for line in lines:
            if line.startswith(RS):
                self._inbox.put(line[1:])
            elif line:
                self._own_log = (self._own_log + line + b"\n")[-_KEPT_LOG:]

    def _follow(self) -> None:
        try:
            while line := self._inbox.get():
                self._handle(decode(line, FROM_GRADER))
            self._ended_early()
        except BrokenProtocol as error:
            self._break(f"the grader broke the protocol: {error}")
        except Exception:  # noqa: BLE001  also a sink that fails: the run must end, not wait for its deadline
            self._break(traceback.format_exc())

    def _handle(self, message: Message) -> None:
        kind = message["type"]
        if kind == "event":
            self._event(message["event"], message["fields"])
        elif kind == "request":
            self._request(message)
        elif kind == "guest":
            self._ask_guest(message)
        elif kind == "ready":
            self._step("grader", Text("评测器就绪", "the grader is ready"))
        elif kind == "broken":
            self._break(message["log"])
        elif message["crashed"]:
            self._end(
                Outcome(crashed=Text(str(message["reason"].get("zh")), str(message["reason"].get("en"))))
            )
        else:
            self._end(Outcome())

    def _event(self, name: str, fields: dict[str, Any]) -> None:
        if name == "check":
            if fields["check"] not in {check.id for check in self._lab.checks}:
                raise BrokenProtocol(f"a result for {fields['check']!r}")
            self._told(self.kernel, fields)
        else:
            self._emitter.emit(name, **fields)
        with self._changed:
            self._changed.notify_all()

    def _request(self, message: Message) -> None:
        runner = self._machine or self._learner
        error, refused, lost = "", "", {}
        try:
            if message["do"] == "start_operator":
                args = tuple(str(word) for word in message["args"])
                runner.start(message["process"], self._program, message["env"], args)
            elif message["do"] == "start_reference":
                self._start_reference(message)
            elif message["do"] == "stop_operator":
                runner.stop(message["process"])
            else:
                runner.kill(message["process"])
        except (ValueError, KeyError, GuestError) as wrong:
            # where the learner's program has run, it may have taken away its own file, or filled the disk
            if isinstance(wrong, Refused | TooLarge) and self._machine and self._machine.used:
                refused = str(wrong)[:2000]
            else:
                error = repr(wrong)
        except MachineLost as gone:
            lost = gone.lost.text.json()
        self._send("reply", id=message["id"], error=error, refused=refused, lost=lost)

    def _start_reference(self, message: Message) -> None:
        """The lab's own solution, in the learner's machine: what a tracer's cost is measured against."""
        program = reference(self._lab.folder)
        if not program.is_file():
            raise ValueError(f"there is no {program}: make setup")
        self._the_machine().start(message["process"], program, message["env"], name=REFERENCE)

    def _ask_guest(self, message: Message) -> None:
        """Carried out here, in the thread that hears the grader: it asks for one thing at a time."""
        answer, error, lost = Answer({}), "", {}
        try:
            answer = self._the_machine().ask(message["do"], message["args"], message["timeout"])
        except GuestError as wrong:
            error = str(wrong) or type(wrong).__name__
        except (ValueError, KeyError, TypeError) as wrong:
            raise BrokenProtocol(f"{message['do']}: {wrong!r}") from wrong
        except MachineLost as gone:
            lost = gone.lost.text.json()
        self._answer(message["id"], answer, error, lost)

    def _answer(self, id_: int, answer: Answer, error: str, lost: dict[str, str]) -> None:
        """What a guest answers is as long as the learner's program makes it."""
        try:
            self._send("answer", id=id_, error=error[:2000], lost=lost, **answer.json())
        except BrokenProtocol as too_long:
            self._send("answer", id=id_, error=str(too_long), lost={}, **Answer({}).json())

    def _the_machine(self) -> Machine:
        """Raises KeyError for a lab without machines."""
        if self._machine is None:
            raise KeyError("the lab has no machine")
        return self._machine

    def _step(self, source: str, text: Text) -> None:
        self._emitter.emit("step", source=source, text=text, **self._where())

    def _where(self) -> dict[str, str]:
        return {"kernel": self.kernel} if self.kernel else {}

    def _lines(self, lines: list[dict[str, Any]]) -> None:
        text = "\n".join(line["text"] for line in lines)
        self._emitter.emit("log", stream="operator", text=text, **self._where())
        self._send("output", lines=lines)

    def _cut(self) -> None:
        text = Text("输出超过 1 MiB，后面的不再记录", "the output exceeds 1 MiB: the rest is not recorded")
        self._step("sandbox", text)

    def _exited(self, number: int, result: Completed) -> None:
        zh, en = Exit(result.exit_code, result.stopped_by).describe()
        self._step("sandbox", Text(f"程序结束：{zh}", f"the program ended: {en}"))
        self._send("exited", process=number, code=result.exit_code, stopped_by=result.stopped_by)

    def slow(self, factor: float) -> None:
        """All takes so many times as long in its sandbox: the deadlines of both processes allow for it."""
        pace.tell(self._name, factor)
        self._send("pace", factor=factor)

    def _await_end(self) -> None:
        assert self._process is not None
        try:
            self._ended = self._process.wait()
        except StartFailed as error:
            self._break(f"{error}\n{error.log}")
        if self._machine:
            self._machine.close()  # nobody is left to have its answers, and one may take minutes
        self._inbox.put(b"")  # behind all that it sent, which is handled first, however long that takes

    def _ended_early(self) -> None:
        """It is gone and all that it sent was handled. No outcome by now: it did not get to its end."""
        result = self._ended
        code = result.exit_code if result else None
        stopped = result.stopped_by if result else ""
        # all that it holds of any size is what the learner's program had the API server store
        ailments = {"grader": "memory"} if stopped == "memory" and self._sandbox else {}
        self._break(f"the grader ended early: exit {code} {stopped}\n{self.log()}", ailments)

    def fell(self, ailments: Ailments) -> None:
        """The sandbox does not stand any more: nothing that comes from now on counts."""
        self._break(f"the sandbox fell: {dict(ailments)}", ailments)

    def _break(self, log: str, ailments: Ailments | None = None) -> None:
        self._end(Outcome(broken=log or "broken", ailments=ailments or {}))

    def _end(self, outcome: Outcome) -> None:
        """The first outcome counts."""
        with self._changed:
            self.outcome = self.outcome or outcome
            self._changed.notify_all()

    def log(self) -> str:
        """The end of what the grader printed: ours to read."""
        return self._own_log.decode("utf-8", "replace")
