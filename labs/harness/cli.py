"""The command `lastmile`. Its verbs and exit codes are described in docs/reference/cli.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from labs.harness import manifest, submission
from labs.harness.archive import read_archive
from labs.harness.display import Display, language_of
from labs.harness.events import Event
from labs.harness.manifest import BadManifest, NoSuchLab
from labs.harness.submission import BadSubmission, Submission
from labs.harness.verdict import EXIT_CODES, Verdict

USAGE_EXIT = 64  # EX_USAGE: 2 already says something about the submission
INTERRUPTED_EXIT = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE_EXIT, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 pass, 1 fail, 2 error, 3 internal, 64 wrong usage, 130 interrupted."""
    parser = _parser()
    args, rest = parser.parse_known_args(argv)
    if args.verb == "setup":
        args.rest = rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        code: int = args.run(args)
        return code
    except (NoSuchLab, BadManifest) as error:
        print(f"lastmile: {error}", file=sys.stderr)
        return USAGE_EXIT
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="lastmile", description="Grade labs, hand them in, and prove their graders.")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=_Parser)

    def verb(name: str, run: Callable[[argparse.Namespace], int], help_: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=help_, description=help_)
        made.set_defaults(run=run)
        made.add_argument("--lang", choices=("zh", "en"), help="language of the texts; else LANG decides")
        return made

    listing = verb("labs", _labs, "List the labs.")
    listing.add_argument("--json", action="store_true")
    _grade_arguments(verb("grade", _grade, "Grade a folder (or a zip or tar) here, without the site."))
    _submit_arguments(verb("submit", _submit, "Hand in through the site and follow the run."))
    _prove_arguments(verb("prove", _prove, "Prove that a lab's grader tells right from wrong."))
    doctor = verb("doctor", _doctor, "Say what this machine can do, with a remedy for what it cannot.")
    doctor.add_argument("--json", action="store_true")
    verb("setup", _setup, "Fetch or build what grading needs. Options: those of python -m sandboxes.setup.")
    return parser


def _grade_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", help="track/name")
    parser.add_argument("folder", type=Path)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one object at the end")
    form.add_argument("--events", action="store_true", help="every event as a line of JSON")
    parser.add_argument("--seed", type=int, help="repeat a run's choices; else drawn")
    parser.add_argument(
        "--only", action="append", default=[], metavar="CHECK", help="this check and what it needs"
    )
    parser.add_argument("--log", action="store_true", help="also show what the program prints")


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", help="track/name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--token", default=os.environ.get("LASTMILE_TOKEN", ""), help="else LASTMILE_TOKEN")
    parser.add_argument("--url", default=os.environ.get("LASTMILE_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--json", action="store_true", help="the run as the API tells it, at the end")
    parser.add_argument("--log", action="store_true", help="also show what the program prints")


def _prove_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", help="track/name")
    parser.add_argument("--repeat", type=int, default=20, help="runs of each right answer that must agree")
    parser.add_argument(
        "--only", action="append", default=[], choices=("right", "mistakes", "mutants", "repeat")
    )
    parser.add_argument("--match", default="", help="only what has this in its name; nothing is kept then")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--limit", type=int, default=0, help="at most so many mutants, always the same ones")
    parser.add_argument("--json", action="store_true")


def _labs(args: argparse.Namespace) -> int:
    language = language_of(args.lang)
    labs = manifest.all_labs()
    if args.json:
        rows = [{"slug": lab.slug, "title": lab.title.json(), "checks": len(lab.checks)} for lab in labs]
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    for lab in labs:
        title = lab.title.zh if language == "zh" else lab.title.en
        print(f"{lab.slug:32} {lab.level:10} {len(lab.checks):3} {title}")
    return 0


def read(path: Path) -> Submission:
    """A folder, or an archive. Raises BadSubmission."""
    return read_archive(path.read_bytes(), path.name) if path.is_file() else submission.read_dir(path)


def _grade(args: argparse.Namespace) -> int:
    from labs.harness.engine import Cancelled

    lab = manifest.load(args.lab)
    known = [check.id for check in lab.checks]
    if unknown := [id_ for id_ in args.only if id_ not in known]:
        print(f"lastmile: {lab.slug} has no check {unknown[0]}; it has {', '.join(known)}", file=sys.stderr)
        return USAGE_EXIT
    language = language_of(args.lang)
    emit: Callable[[Event], None] = Display(lab, language, args.log)
    if args.json:
        emit = _nowhere
    elif args.events:
        emit = _as_line
    try:
        verdict = _judge(lab, args, emit)
    except Cancelled:
        return INTERRUPTED_EXIT
    if args.json:
        print(json.dumps(verdict.json(), ensure_ascii=False))
    elif verdict.log:
        print(verdict.log, file=sys.stderr)
    return verdict.exit_code


def _judge(lab: manifest.Lab, args: argparse.Namespace, emit: Callable[[Event], None]) -> Verdict:
    from labs.harness import engine

    seed = secrets.randbelow(1 << 31) if args.seed is None else args.seed
    with _cancelled_by_signals() as cancel:
        try:
            handed_in = read(args.folder)
        except BadSubmission as bad:
            return engine.refuse(lab, bad, emit)
        return engine.grade(lab, handed_in, emit, cancel, seed, engine.Options(tuple(args.only)))


@contextlib.contextmanager
def _cancelled_by_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set: what runs is ended in order, and not left behind."""
    cancel = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        cancel.set()

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _submit(args: argparse.Namespace) -> int:
    from labs.harness.remote import Refusal, Site, Unreachable

    lab = next((lab for lab in manifest.all_labs() if lab.slug == args.lab), None)
    display = Display(lab, language_of(args.lang), args.log, sys.stderr if args.json else sys.stdout)
    site = Site(args.url, args.token)
    try:
        handed_in = submission.accept(lab, read(args.folder)) if lab else read(args.folder)
        receipt = site.submit(args.lab, handed_in)
        display.say(f"  {args.url}{receipt['url']}")
        site.follow(receipt["events_url"], display)
        run = site.run(receipt["api_url"])
    except BadSubmission as bad:
        for problem in bad.problems:
            display({"type": "diagnostic", **problem.diagnostic()})
        return EXIT_CODES["error"]
    except Refusal as refusal:
        _show_refusal(display, refusal.problem)
        if where := refusal.problem.get("url"):
            display.say(f"  {args.url}{where}")
        return (
            EXIT_CODES["error"] if refusal.problem.get("code") == "bad_submission" else EXIT_CODES["internal"]
        )
    except Unreachable as error:
        print(f"lastmile: {error}", file=sys.stderr)
        return EXIT_CODES["internal"]
    if args.json:
        print(json.dumps(run, ensure_ascii=False))
    return EXIT_CODES.get(run.get("verdict") or "internal", 3)


def _show_refusal(display: Display, problem: dict[str, Any]) -> None:
    display.say(f"  {display.pick(problem)}")
    for place in problem.get("problems") or []:
        if place.get("file"):
            display.say(f"  {place['file']}: {display.pick(place)}")


def _prove(args: argparse.Namespace) -> int:
    from labs.harness import prove
    from labs.harness.jails import Cancelled

    lab = manifest.load(args.lab)
    parts = tuple(args.only) or prove.PARTS
    with _cancelled_by_signals() as cancel:
        try:
            proof = prove.prove(
                lab,
                parts,
                repeat=args.repeat,
                jobs=args.jobs,
                match=args.match,
                limit=args.limit,
                say=_to_stderr,
                cancel=cancel,
            )
        except Cancelled:
            return INTERRUPTED_EXIT
        except prove.NothingMatches as error:
            print(f"lastmile: {error}", file=sys.stderr)
            return USAGE_EXIT
    print(json.dumps(proof.json(), ensure_ascii=False, indent=1) if args.json else proof.summary())
    return 0 if proof.holds else 1


def _doctor(args: argparse.Namespace) -> int:
    from labs.harness import doctor

    findings = doctor.examine()
    if args.json:
        print(json.dumps([finding.json() for finding in findings], ensure_ascii=False))
    else:
        print(doctor.table(findings, language_of(args.lang)))
    return 0 if all(finding.ok or not finding.needed for finding in findings) else 1


def _setup(args: argparse.Namespace) -> int:
    from sandboxes.setup.__main__ import main as set_up

    return set_up(args.rest)


def _nowhere(_event: Event) -> None:
    return None


def _as_line(event: Event) -> None:
    print(json.dumps(event, ensure_ascii=False), flush=True)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
