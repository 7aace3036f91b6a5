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
SPARE = ("vm", "ebpf")
GROUPS = ("packages", "go", "kubernetes", "programs", "vm", "ebpf", "warm", "site", "tests")


def steps(groups: Sequence[str]) -> list[Step]:
    """The steps of the named groups, in the order in which they depend on each other."""
    every: dict[str, list[Step]] = {
        "packages": [packages.DebianPackages("Debian packages", packages.RUNNING)],
        "go": [golang.GoToolchain()],
        "kubernetes": list(kubernetes.binaries()),
        "programs": list(modules.programs()),
        "vm": [
            packages.DebianPackages("Debian packages for virtual machines", packages.VIRTUAL_MACHINES),
            *kernels.SERIES,
            guestfiles.GuestPrograms(),
            *templates.steps(),
        ],
        "ebpf": [packages.DebianPackages("Debian packages for eBPF code", packages.EBPF), *ebpf.steps()],
        "warm": list(modules.solutions()),
        "site": list(site.steps()),
        "tests": [packages.DebianPackages("Debian packages for the tests", packages.TESTING)],
    }
    return [step for name in GROUPS if name in groups for step in every[name]]


def _spare(chosen: Sequence[Step]) -> list[Step]:
    """Those of `chosen` without which the course still runs."""
    names = {step.name for step in steps(SPARE)}
    caches = [step for step in chosen if isinstance(step, modules.WarmCache) and step.has_ebpf]
    return [step for step in chosen if step.name in names] + caches


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
