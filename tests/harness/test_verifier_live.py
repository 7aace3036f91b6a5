"""The recorded logs are real: both kernels refuse the same programs for the same reasons, at the same lines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from labs.harness import verifier
from sandboxes.bpf import toolchain
from sandboxes.interface import Spec
from sandboxes.setup import golang
from sandboxes.vm import VirtualMachineProvider

HERE = Path(__file__).with_name("verifier")
pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs, compiled as a learner's are."""
    folder = tmp_path_factory.mktemp("objects")
    for source in sorted((HERE / "programs").glob("*.bpf.c")):
        argv = toolchain.generate(source.name, "bpf", (), str(folder))
        name = source.name.removesuffix(".bpf.c")
        subprocess.run(argv, cwd=source.parent, check=True, capture_output=True)
        (folder / "bpf_x86_bpfel.o").rename(folder / f"{name}.o")
    return folder


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("loader") / "loader"
    argv = [str(golang.go()), "build", "-trimpath", "-o", str(program), "."]
    subprocess.run(argv, cwd=HERE / "loader", env=golang.environment(), check=True)
    return program


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_it_works(kernel: str, objects: Path, loader: Path) -> None:
    recorded = (HERE / "logs" / f"linux-{kernel}.txt").read_text()
    sandbox = VirtualMachineProvider().start(Spec("vm", options={"kernel": kernel}), lambda progress: None)
    try:
        names = sorted(path.name for path in objects.glob("*.o"))
        for name in names:
            sandbox.put(objects / name, name)
        sandbox.put(loader, "loader")
        done = sandbox.run("/work/loader", *(f"/work/{name}" for name in names), timeout=300)
    finally:
        sandbox.close()
    said = done.output.decode()
    assert summary(said) == summary(recorded)


def summary(text: str) -> dict[str, tuple[str, str, int, str]]:
    """For each program what was refused, where, and in which words. Numbers of types differ from build to build."""
    found = {}
    for part in f"\n{text}".split("\n== ")[1:]:
        name, _, log = part.partition("\n")
        sources = {f"{name}.bpf.c": (HERE / "programs" / f"{name}.bpf.c").read_text()}
        refusal = verifier.explain(log, sources)
        assert refusal is not None, part
        found[name] = (refusal.kind, refusal.file, refusal.line, refusal.said)
    return found
