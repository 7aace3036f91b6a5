from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labs.harness import pace
from sandboxes.setup.__main__ import GROUPS, _spare, main, steps


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
    chosen = steps(GROUPS)
    spare = {step.name for step in _spare(chosen)}
    assert {"Linux 6.1", "Linux 6.12", "Debian packages for eBPF code"} <= spare
    assert (
        not {"Debian packages", "Go 1.26.6", "front-end assets", "build cache for operators/database"} & spare
    )
