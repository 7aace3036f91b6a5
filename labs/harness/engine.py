"""From a submission to a verdict. The one way in for the CLI, the site's workers and the proofs.

validate → ( build ∥ lease, grader starts ) → ( checks ∥ vet ) → verdict
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field

from labs.harness import ailing, build, pace, submission
from labs.harness.ailing import Ailments
from labs.harness.diagnostics import Diagnostic
from labs.harness.events import Emitter, Sink, Text
from labs.harness.graders import Graders
from labs.harness.jails import Cancelled, Jails
from labs.harness.leasing import Leasing
from labs.harness.manifest import Lab
from labs.harness.sanitize import clean_lines
from labs.harness.session import Options, Outcome
from labs.harness.starvation import Starvation
from labs.harness.submission import BadSubmission, Submission
from labs.harness.verdict import CheckResult, Verdict, Word
from sandboxes import folders

log = logging.getLogger(__name__)

Vet = Callable[[], Future[list[Diagnostic]]]

_USUAL = Options()
_HEAD_START = 0.8  # seconds that a build has before a sandbox is leased: most mistakes show up sooner
_SPARE_SECONDS = 30.0
_POLL_SECONDS = 0.1
_WORTH_SAYING = 1.2
_VET_SPARE_SECONDS = 3.0  # advice that comes later than this after the checks is not waited for

__all__ = ["Cancelled", "Options", "grade", "refuse"]


def grade(
    lab: Lab,
    handed_in: Submission,
    emit: Sink,
    cancel: threading.Event | None = None,
    seed: int = 0,
    options: Options = _USUAL,
) -> Verdict:
    """Judge one submission; every event goes to `emit`, the last one is the verdict.

    Never raises for anything that a submission or a sandbox does: that is `error`, `fail` or
    `internal`. Raises Cancelled when `cancel` was set. Whatever it started has ended when it returns.
    """
    run = _Run(lab, Emitter(emit), seed, options)
    with contextlib.ExitStack() as undo:
        jails = undo.enter_context(Jails())
        undo.enter_context(_cancelling(jails, cancel))
        try:
            verdict = run.judge(handed_in, jails)
        except Cancelled:
            verdict = run.verdict("internal", _OURS, log="a jail was closed under the run")
        except Exception:  # noqa: BLE001  any exception of ours is the verdict `internal`, by contract
            verdict = run.verdict("internal", _OURS, log=traceback.format_exc())
    if cancel is not None and cancel.is_set():
        raise Cancelled
    return run.tell(verdict)


def refuse(lab: Lab, bad: BadSubmission, emit: Sink) -> Verdict:
    """The verdict on what could not even be read as a submission, with the same events as grade()."""
    run = _Run(lab, Emitter(emit), 0, Options())
    return run.tell(run.refused(bad))


_OURS = Text(
    "评测系统自己出了问题，与你的代码无关，不计入你的成绩",
    "grading itself failed; it has nothing to do with your code and does not count",
)


@dataclass
class _Run:
    lab: Lab
    emitter: Emitter
    seed: int
    options: Options
    parts: dict[str, float] = field(default_factory=dict)
    results: dict[str, CheckResult] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def judge(self, handed_in: Submission, jails: Jails) -> Verdict:
        try:
            accepted = submission.accept(self.lab, handed_in)
        except BadSubmission as bad:
            return self.refused(bad)
        self.sources = {
            name: text.decode("utf-8", "replace")
            for name, text in accepted.files.items()
            if name.endswith((".c", ".h"))
        }
        self.emitter.emit("state", state="building")
        self._tell_building(len(accepted.files))
        with contextlib.ExitStack() as undo:
            folder = folders.create("run", f"run-{secrets.token_hex(6)}")
            undo.callback(folders.remove, folder)
            pool = undo.enter_context(ThreadPoolExecutor(2, "build"))
            undo.callback(jails.close)  # before the pool is joined: what still runs there ends now
            program = folder / "program"
            building = pool.submit(build.build, self.lab, accepted, jails, program, self._build_log)
            return self._grade(building, lambda: pool.submit(self._vet, accepted, jails), jails, undo)

    def _grade(
        self,
        building: Future[build.Built],
        vet: Vet,
        jails: Jails,
        undo: contextlib.ExitStack,
    ) -> Verdict:
        with contextlib.suppress(NotYet):
            building.result(_HEAD_START)
        graders: Graders | None = None
        leasing: Leasing | None = None
        if not building.done() or building.result().program:
            leasing = undo.enter_context(Leasing(self.lab, self.emitter))
            graders = self._open(leasing, building, jails, undo)
        built = building.result()
        self.parts["build"] = round(built.seconds, 3)
        self._diagnose(built.diagnostics)
        if built.program is None or graders is None or leasing is None:
            assert built.reason is not None
            return self.verdict("error", built.reason)
        self._tell_built(built)
        with leasing.watched(graders.fell), Starvation(leasing.machines(), graders.slow):
            outcome = self._check(graders, built, vet)
        # before the program is ended and the sandbox with it: what did it do to it?
        ailments = outcome.ailments or leasing.diagnose(broken=bool(outcome.broken))
        return self._conclude(graders, outcome, ailments)

    def _open(
        self, leasing: Leasing, building: Future[build.Built], jails: Jails, undo: contextlib.ExitStack
    ) -> Graders | None:
        """Wait for the sandbox, unless the build fails first, and start the grader in it."""
        while not leasing.done(_POLL_SECONDS):
            if jails.closed:
                raise Cancelled
            if building.done() and building.result().program is None:
                return None
            if building.done():
                leasing.announce()
        self.parts |= leasing.parts()
        graders = Graders(
            self.lab,
            leasing.result(),
            jails,
            self.emitter,
            seed=self.seed,
            options=self.options,
            machines=leasing.machines(),
        )
        undo.callback(graders.close)
        undo.callback(jails.close)  # the processes in the sandbox end before it does
        graders.start()
        return graders

    def _check(self, graders: Graders, built: build.Built, vet: Vet) -> Outcome:
        assert built.program is not None
        built.program.chmod(0o755)
        self.emitter.emit("state", state="grading")
        begun, paced = time.monotonic(), pace.now()
        graders.go(built.program, built.bpf, self.sources)
        graders.wait_first(self.lab.limits.seconds)
        # advice is for later: it must not slow down the build or the first answer
        vetting = vet()
        vetting.add_done_callback(self._vetted)
        outcome = graders.wait(self.lab.limits.seconds + _SPARE_SECONDS)
        self.parts["checks"] = round(time.monotonic() - begun, 3)
        self._tell_pace((time.monotonic() - begun) / (pace.now() - paced))
        futures.wait([vetting], _VET_SPARE_SECONDS)
        return outcome

    def _conclude(self, graders: Graders, outcome: Outcome, ailments: Ailments) -> Verdict:
        if ailments:
            told = ailing.overload(ailments)
            log = f"{dict(ailments)}\n{outcome.broken}"
            return self.verdict("error", told) if told else self.verdict("internal", _OURS, log=log)
        self.results = dict(graders.results)
        if outcome.broken:
            return self.verdict("internal", _OURS, log=outcome.broken)
        if outcome.crashed:
            return self.verdict("error", outcome.crashed)
        missed = [check for check in self._rows() if check.status != "passed"]
        if not missed:
            return self.verdict("pass", Text("全部检查通过", "every check passed"))
        first = self.lab.check(next((c.check for c in missed if c.status == "failed"), missed[0].check))
        return self.verdict("fail", Text(f"没有通过：{first.title.zh}", f"did not pass: {first.title.en}"))

    def refused(self, bad: BadSubmission) -> Verdict:
        for problem in bad.problems:
            self.emitter.emit("diagnostic", **problem.diagnostic())
        first = bad.problems[0]
        where = f"{first.file}: " if first.file else ""
        return self.verdict("error", Text(where + first.text.zh, where + first.text.en))

    def _diagnose(self, diagnostics: list[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            said = diagnostic.json()
            self.emitter.emit("diagnostic", **said | {"message": clean_lines(said["message"])})

    def _vet(self, accepted: Submission, jails: Jails) -> list[Diagnostic]:
        return build.vet(self.lab, accepted, jails) if self.options.advice else []

    def _vetted(self, vetting: Future[list[Diagnostic]]) -> None:
        """Advice that fails to come changes no verdict."""
        try:
            self._diagnose(vetting.result())
        except (Cancelled, futures.CancelledError):
            pass  # the run was over before it
        except Exception:
            log.exception("%s: no advice of go vet", self.lab.slug)

    def _build_log(self, text: str) -> None:
        """A compiler repeats what the source says, escape sequences too."""
        self.emitter.emit("log", stream="build", text=clean_lines(text))

    def _tell_building(self, count: int) -> None:
        """The log's first line: said at once, so that nobody wonders whether the submission arrived."""
        self.emitter.emit(
            "step",
            source="build",
            text=Text(f"收到 {count} 个文件，开始编译", f"received {count} files, building"),
            command=build.describe(self.lab),
        )

    def _tell_built(self, built: build.Built) -> None:
        self.emitter.emit(
            "step",
            source="build",
            text=Text("编译完成", "built"),
            seconds=round(built.seconds, 3),
        )

    def _tell_pace(self, stretch: float) -> None:
        if stretch >= _WORTH_SAYING:
            text = Text(
                f"机器繁忙，等待时限已放宽到 {stretch:.1f} 倍",
                f"the machine was busy: deadlines were extended to {stretch:.1f} times their length",
            )
            self.emitter.emit("step", source="grader", text=text)

    def _rows(self) -> list[CheckResult]:
        """Every check of the lab in order; what was not reached counts as skipped."""
        wanted = [c for c in self.lab.checks if not self.options.only or c.id in self.results]
        return [self.results.get(check.id, CheckResult(check.id, "skipped", 0)) for check in wanted]

    def tell(self, verdict: Verdict) -> Verdict:
        self.emitter.emit("state", state="done")
        self.emitter.emit("verdict", **verdict.event())
        return verdict

    def verdict(self, word: Word, reason: Text, log: str = "") -> Verdict:
        rows = self._rows()
        return Verdict(
            verdict=word,
            points=sum(row.points for row in rows),
            of=self.lab.points,
            passed=sum(row.status == "passed" for row in rows),
            total=len(self.lab.checks),
            seconds=round(time.monotonic() - self.emitter.started, 3),
            reason=reason,
            checks=rows,
            parts=self.parts,
            log=log,
        )


@contextlib.contextmanager
def _cancelling(jails: Jails, cancel: threading.Event | None) -> Iterator[None]:
    """Close the jails as soon as `cancel` is set."""
    over = threading.Event()

    def watch() -> None:
        while cancel is not None and not over.wait(_POLL_SECONDS):
            if cancel.is_set():
                jails.close()
                return

    watcher = threading.Thread(target=watch, name="cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
