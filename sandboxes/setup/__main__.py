"""`python -m sandboxes.setup`: the set-up after the virtual environment. See `make setup`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sandboxes import paths
from sandboxes.setup import (
    ebpf,
    golang,
    guestfiles,
    kernels,
    kubernetes,
    modules,
    packages,
    runner,
    site,
    templates,
)
from sandboxes.setup.step import SetupError, Step

# What only some labs need: a machine that cannot have it, as one with other packages than Debian's, serves the rest.
SPARE = ("vm", "ebpf", "templates")
GROUPS = ("packages", "go", "kubernetes", "programs", "vm", "ebpf", "templates", "warm", "site", "tests")
_MACHINES, _EBPF = "Debian packages for virtual machines", "Debian packages for eBPF code"


def steps(groups: Sequence[str]) -> list[Step]:
    """The steps of the named groups, in the order in which they depend on each other."""
    every: dict[str, list[Step]] = {
        "packages": [packages.DebianPackages("Debian packages", packages.RUNNING)],
        "go": [golang.GoToolchain()],
        "kubernetes": list(kubernetes.binaries()),
        "programs": list(modules.programs()),
        "vm": [
            packages.DebianPackages(_MACHINES, packages.VIRTUAL_MACHINES),
            *kernels.SERIES,
            guestfiles.GuestPrograms(),
        ],
        "ebpf": [packages.DebianPackages(_EBPF, packages.EBPF), *ebpf.steps()],
        # apart from the kernels, which eBPF code is compiled for: a template takes our programs and a boot
        "templates": list(templates.steps()),
        "warm": list(modules.solutions()),
        "site": list(site.steps()),
        "tests": [packages.DebianPackages("Debian packages for the tests", packages.TESTING)],
    }
    return [step for name in GROUPS if name in groups for step in every[name]]


def builds_on(step: Step) -> set[str]:
    """The names of the steps without whose results `step` cannot go on."""
    match step:
        case kubernetes.Binary() | modules.GoProgram():
            return _names("go")
        case kernels.Kernel():
            return {_MACHINES}
        case ebpf.Headers():
            return {_EBPF, *(kernel.name for kernel in kernels.SERIES)}
        case templates.VmTemplate():
            return _names("packages", "programs", "vm")
        case modules.WarmCache():
            return _names("go", "ebpf") if step.has_ebpf else _names("go")
    return set()


def _names(*groups: str) -> set[str]:
    return {step.name for step in steps(groups)}


def _spare(chosen: Sequence[Step]) -> dict[str, set[str]]:
    """The names of those of `chosen` without which the course still runs, each with what it builds on."""
    spare = _names(*SPARE)
    caches = {step.name for step in chosen if isinstance(step, modules.WarmCache) and step.has_ebpf}
    return {step.name: builds_on(step) for step in chosen if step.name in spare | caches}


def main(argv: Sequence[str] | None = None) -> int:
    """0 when everything stands, 1 with one line of reason and one of remedy otherwise."""
    parser = argparse.ArgumentParser(prog="lastmile setup", description=__doc__)
    parser.add_argument("--tests", action="store_true", help="also what the tests need")
    parser.add_argument("--only", metavar="GROUPS", help=f"some of {','.join(GROUPS)}")
    parser.add_argument("--list", action="store_true", help="say which steps are done, and do nothing")
    args = parser.parse_args(argv)
    groups = args.only.split(",") if args.only else [g for g in GROUPS if g != "tests" or args.tests]
    if unknown := set(groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    chosen = steps(groups)
    console = runner.Console()
    try:
        if args.list:
            for step in chosen:
                print(f"{'done   ' if step.done() else 'to do  '}{step.name}")
        elif not all(step.done() for step in chosen):
            with runner.alone(paths.cache_dir() / "setup.lock", console):
                runner.run(chosen, console, _spare(chosen))
    except SetupError as error:
        print(f"lastmile: set-up stopped. {error}", file=sys.stderr)
        if error.remedy:
            print(f"lastmile: remedy: {error.remedy}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
