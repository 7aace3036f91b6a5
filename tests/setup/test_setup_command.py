from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labs.harness import pace
from sandboxes.interface import StartFailed, Unavailable
from sandboxes.setup import kernels, runner
from sandboxes.setup.__main__ import GROUPS, _spare, builds_on, main, steps
from sandboxes.setup.step import Say, SetupError
from sandboxes.setup.templates import VmTemplate
from sandboxes.vm import VirtualMachineProvider


def test_it_works(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    assert main(["--list", "--only", "go,kubernetes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "to do  Go 1.26.6"
    assert [line.split()[2] for line in lines[1:]] == [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kubectl",
    ]
    assert not cache.exists()


def test_the_order_is_that_of_the_dependencies() -> None:
    names = [step.name for step in steps(["kubernetes", "go", "warm", "packages"])]
    assert names[:2] == ["Debian packages", "Go 1.26.6"]
    assert names[2].startswith("etcd")


def test_no_step_comes_before_what_it_builds_on() -> None:
    seen: set[str] = set()
    for step in steps(GROUPS):
        assert step.name not in seen
        assert builds_on(step) <= seen, step.name
        seen.add(step.name)


def _only(checkout: Path, verb: str = "") -> list[str]:
    """The groups that the Makefile and the image name, or those of one verb."""
    lines = (checkout / "Makefile").read_text() + (checkout / "Dockerfile").read_text()
    if verb:
        found = re.search(rf"^{verb}:.*\n((?:\t.*\n)+)", lines, re.MULTILINE)
        assert found is not None, verb
        lines = found[1]
    return [group for named in re.findall(r"--only ([a-z,]+)", lines) for group in named.split(",")]


def test_the_groups_that_others_name_exist(checkout: Path) -> None:
    named = set(_only(checkout))
    assert {"go", "ebpf", "site"} <= named <= set(GROUPS)


@pytest.mark.parametrize("verb", ["check", "fmt"])
def test_a_verb_names_every_group_that_its_steps_build_on(checkout: Path, verb: str) -> None:
    chosen = steps(_only(checkout, verb))
    assert chosen
    names = {step.name for step in chosen}
    assert {step.name: builds_on(step) - names for step in chosen if builds_on(step) - names} == {}


def test_checking_boots_nothing(checkout: Path) -> None:
    assert not [step for step in steps(_only(checkout, "check")) if isinstance(step, VmTemplate)]


def test_an_unknown_group_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "everything"])
    assert "no such group: everything" in capsys.readouterr().err
    assert "tests" in GROUPS


def test_a_failure_is_two_lines(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "programs"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("lastmile: set-up stopped. apigate: ")


def test_looking_is_quick_and_needs_no_django(checkout: Path) -> None:
    code = (
        "import sys; from sandboxes.setup.__main__ import main; main(['--list']); "
        "assert not {'django', 'celery', 'docker'} & set(sys.modules)"
    )
    started = pace.now()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=checkout)
    assert pace.now() - started < 2


def test_a_machine_without_the_kernels_can_have_everything_else() -> None:
    spare = set(_spare(steps(GROUPS)))
    assert {"Linux 6.1", "Linux 6.12", "Debian packages for eBPF code"} <= spare
    assert (
        not {"Debian packages", "Go 1.26.6", "front-end assets", "build cache for operators/database"} & spare
    )


class _Stub:
    """A step that does nothing, or fails."""

    def __init__(self, name: str, *, fails: bool) -> None:
        self.name, self.fails, self.ran = name, fails, False

    def done(self) -> bool:
        return self.ran and not self.fails

    def run(self, say: Say) -> None:
        self.ran = True
        if self.fails:
            raise SetupError("not here")


TEMPLATES = {f"template of a virtual machine with Linux {series}" for series in ("6.1", "6.12")}
CACHES = {step.name for step in steps(["warm"]) if "for tracers/" in step.name}
HEADERS = "vmlinux.h and libbpf's headers"


@pytest.mark.parametrize(
    ("failing", "left_out"),
    [
        (min(TEMPLATES), set()),
        ("nginx and openssl for virtual machines", TEMPLATES),
        ("Linux 6.1", {*TEMPLATES, *CACHES, HEADERS}),
        ("bpf2go", CACHES),
        (HEADERS, CACHES),
        ("Debian packages for eBPF code", {*CACHES, HEADERS}),
    ],
)
def test_what_fails_takes_along_only_what_builds_on_it(failing: str, left_out: set[str]) -> None:
    spare = _spare(steps(GROUPS))
    stubs = [_Stub(name, fails=name == failing) for name in spare]
    runner.run(stubs, runner.Console(io.StringIO()), spare)
    assert {stub.name for stub in stubs if not stub.ran} == left_out


@pytest.mark.parametrize(
    ("error", "remedy"),
    [(Unavailable("no agent"), "make setup"), (StartFailed("no boot", "oops"), "on a quieter machine")],
)
def test_a_template_says_what_helps(monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str) -> None:
    def probe(_: VirtualMachineProvider) -> None:
        raise error

    monkeypatch.setattr(VirtualMachineProvider, "probe", probe)
    with pytest.raises(SetupError, match=str(error)) as caught:
        VmTemplate(kernels.SERIES[0]).run(lambda _: None)
    assert caught.value.remedy.endswith(remedy)
