"""lab.toml as frozen values. Every field is described in docs/reference/lab-toml.md.

A mistake in a lab.toml is its author's, so load() says all of them at once, each with the file and
the field: `labs/operators/database/lab.toml: checks[3].needs: there is no earlier check "conects"`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from labs.harness.events import Text
from labs.harness.fields import Table

LABS = Path(__file__).resolve().parents[1]
LEVELS = ("junior", "senior", "architect")
DIMENSIONS = ("language", "engineering", "domain")
SANDBOXES = ("none", "controlplane", "vm")
KERNELS = ("6.1", "6.12")
BUILDS = ("go", "bpf")
SLUG = re.compile(r"[a-z][a-z0-9_-]*/[a-z][a-z0-9_-]*")
IDENTIFIER = re.compile(r"[a-z][a-z0-9-]*")
PACKAGE = re.compile(r"(?:\./)?[a-z0-9_]+(?:/[a-z0-9_]+)*")
C_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class BadManifest(Exception):
    """One or more mistakes in a lab.toml; `mistakes` has one line each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class NoSuchLab(LookupError):
    """There is no folder with a lab.toml of that slug."""


@dataclass(frozen=True)
class Check:
    """One thing that the grader decides. `needs`: skipped when one of these did not pass."""

    id: str
    title: Text
    points: int
    section: str
    timeout: float
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Build:
    """How the submission becomes a program: `kind` go or bpf, `package` what is given to go build.

    Of kind bpf alone: `source` is the glob of the one C file, `ident` the stem of the Go names that
    bpf2go makes, `types` the C types that it makes Go types of.
    """

    kind: str
    package: str
    seconds: float
    memory_bytes: int
    source: str = ""
    ident: str = ""
    types: tuple[str, ...] = ()

    @property
    def generated(self) -> tuple[str, ...]:
        """What bpf2go writes anew in each build: not part of a submission, though a learner's folder has it."""
        if self.kind != "bpf":
            return ()
        folder = "" if self.package == "." else f"{self.package.removeprefix('./')}/"
        return tuple(f"{folder}{self.ident.lower()}_x86_bpfel.{end}" for end in ("go", "o"))


@dataclass(frozen=True)
class RunLimits:
    """What one instance of the learner's program may take, and what the whole run may."""

    memory_bytes: int
    processes: int
    seconds: float


@dataclass(frozen=True)
class Lab:
    """One lab. `folder` holds starter/, solution/, mistakes/, grader.py and text/.

    `kernels` is empty unless the sandbox is vm: then each check runs on each of them.
    """

    slug: str
    track: str
    chapter: str
    level: str
    minutes: int
    skills: tuple[str, ...]
    prerequisites: tuple[str, ...]
    editable: tuple[str, ...]
    sandbox: str
    kernels: tuple[str, ...]
    manifests: tuple[str, ...]
    title: Text
    build: Build
    limits: RunLimits
    checks: tuple[Check, ...]
    folder: Path

    @property
    def points(self) -> int:
        return sum(check.points for check in self.checks)

    def check(self, id_: str) -> Check:
        return next(check for check in self.checks if check.id == id_)


def load(slug: str, root: Path = LABS) -> Lab:
    """The lab of that slug. Raises NoSuchLab, or BadManifest with every mistake."""
    if not SLUG.fullmatch(slug):
        raise NoSuchLab(f"{slug!r} is not a lab's slug (track/name)")
    folder = root / slug
    file = folder / "lab.toml"
    if not file.is_file():
        raise NoSuchLab(f"there is no lab {slug!r}; `lastmile labs` lists them")
    return _read(file, slug)


def all_labs(root: Path = LABS) -> list[Lab]:
    """Every lab, by slug. Raises BadManifest."""
    files = sorted(root.glob("*/*/lab.toml"))
    return [_read(file, f"{file.parent.parent.name}/{file.parent.name}") for file in files]


def _read(file: Path, slug: str) -> Lab:
    shown = f"labs/{slug}/lab.toml"
    try:
        parsed = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadManifest([f"{shown}: not valid TOML: {error}"]) from error
    mistakes: list[str] = []
    table = Table(parsed, shown, mistakes)
    lab = _lab(table, slug, file.parent)
    table.nothing_else()
    if mistakes:
        raise BadManifest(mistakes)
    return lab


def _lab(table: Table, slug: str, folder: Path) -> Lab:
    named = table.string("slug")
    if named != slug:
        table.wrong("slug", f"is {named!r}, but the folder says {slug!r}")
    track = table.string("track")
    if track != slug.partition("/")[0]:
        table.wrong("track", f"is {track!r}, but the folder says {slug.partition('/')[0]!r}")
    sandbox = table.one_of("sandbox", SANDBOXES)
    return Lab(
        slug=slug,
        track=track,
        chapter=table.string("chapter"),
        level=table.one_of("level", LEVELS),
        minutes=table.integer("minutes", least=1, most=1000),
        skills=_skills(table),
        prerequisites=table.strings("prerequisites", optional=True),
        editable=_editable(table),
        sandbox=sandbox,
        kernels=_kernels(table, sandbox),
        manifests=_manifests(table, folder),
        title=table.text("title"),
        build=_build(table.table("build")),
        limits=_limits(table.table("limits", optional=True)),
        checks=_checks(table),
        folder=folder,
    )


def _skills(table: Table) -> tuple[str, ...]:
    skills = table.strings("skills")
    for number, skill in enumerate(skills):
        dimension, _, level = skill.partition(".")
        if dimension not in DIMENSIONS or level not in LEVELS:
            table.wrong(f"skills[{number}]", f"{skill!r} is not dimension.level, such as engineering.senior")
    return skills


def _editable(table: Table) -> tuple[str, ...]:
    globs = table.strings("editable")
    for number, pattern in enumerate(globs):
        if pattern.startswith("/") or ".." in pattern.split("/"):
            table.wrong(f"editable[{number}]", f"{pattern!r} leaves the lab's folder")
    return globs


def _kernels(table: Table, sandbox: str) -> tuple[str, ...]:
    if sandbox != "vm":
        return ()
    kernels = table.strings("kernels")
    if not kernels or len(set(kernels)) != len(kernels):
        table.wrong("kernels", "needs at least one kernel, each once")
    for number, kernel in enumerate(kernels):
        if kernel not in KERNELS:
            table.wrong(f"kernels[{number}]", f"is {kernel!r}, must be one of {', '.join(KERNELS)}")
    return kernels


def _manifests(table: Table, folder: Path) -> tuple[str, ...]:
    names = table.strings("manifests", optional=True)
    for number, name in enumerate(names):
        if not (folder / name).is_file():
            table.wrong(f"manifests[{number}]", f"there is no file {name!r} in the lab's folder")
    return names


def _build(table: Table) -> Build:
    build = Build(
        kind=table.one_of("kind", BUILDS),
        package=table.string("package", default="."),
        seconds=table.number("seconds", default=90.0, least=1.0),
        memory_bytes=table.integer("memory_mb", default=2048, least=64, most=65536) << 20,
    )
    if build.kind == "bpf":
        build = _with_c(build, table)
    table.nothing_else()
    return build


def _with_c(build: Build, table: Table) -> Build:
    source = table.string("source", default="bpf/*.bpf.c")
    ident = table.string("ident", default="bpf")
    types = table.strings("types", optional=True)
    if build.package != "." and not PACKAGE.fullmatch(build.package):
        table.wrong("package", f"{build.package!r} is not a folder such as . or ./cmd/tracer")
    if not source.endswith(".c") or source.startswith("/") or ".." in source.split("/"):
        table.wrong("source", f"{source!r} is not a glob of C files in the lab's folder")
    for field, names in (("ident", (ident,)), ("types", types)):
        for name in names:
            if not C_NAME.fullmatch(name):
                table.wrong(field, f"{name!r} is not an identifier")
    return replace(build, source=source, ident=ident, types=types)


def _limits(table: Table) -> RunLimits:
    limits = RunLimits(
        memory_bytes=table.integer("memory_mb", default=512, least=16, most=65536) << 20,
        processes=table.integer("processes", default=64, least=1, most=4096),
        seconds=table.number("seconds", default=240.0, least=1.0),
    )
    table.nothing_else()
    return limits


def _checks(table: Table) -> tuple[Check, ...]:
    checks: list[Check] = []
    for row in table.tables("checks"):
        check = _check(row)
        earlier = [known.id for known in checks]
        if check.id in earlier:
            row.wrong("id", f"{check.id!r} is there twice")
        for need in check.needs:
            if need not in earlier:
                row.wrong("needs", f"there is no earlier check {need!r}")
        row.nothing_else()
        checks.append(check)
    return tuple(checks)


def _check(row: Table) -> Check:
    id_ = row.string("id")
    if id_ and not IDENTIFIER.fullmatch(id_):
        row.wrong("id", f"{id_!r} must be lower-case letters, digits and hyphens")
    return Check(
        id=id_,
        title=row.text("title"),
        points=row.integer("points", least=0, most=1000),
        section=row.string("section"),
        timeout=row.number("timeout", default=20.0, least=0.1),
        needs=row.strings("needs", optional=True),
    )
