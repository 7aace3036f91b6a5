"""The contract of sandboxes.interface, over every provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sandboxes.controlplane import ControlPlaneProvider
from sandboxes.interface import Progress, Provider, Report, Sandbox, Spec, StartFailed, Unavailable
from sandboxes.pool import messages
from sandboxes.providers import provider as provider_of
from sandboxes.vm import VirtualMachine, VirtualMachineProvider
from tests.sandboxes.fakes import Dies, Fake, Lies, Missing, Never, Slow

Look = Callable[[Provider, Path], None]


def _quiet(progress: Progress) -> None:
    pass


def _slow() -> Slow:
    slow = Slow()
    slow.go.set()
    return slow


def _begin(provider: Provider, report: Report = _quiet) -> Sandbox:
    return provider.start(Spec(provider.kind), report)


def look_at_its_start(provider: Provider, tmp_path: Path) -> None:
    """It announces each step, and its handle is JSON that names it to everybody."""
    provider.probe()
    heard: list[Progress] = []
    sandbox = _begin(provider, heard.append)
    try:
        assert [p.step for p in heard if p.done] == [p.step for p in heard if not p.done]
        assert all(p.step and p.seconds >= 0 for p in heard)
        assert heard
        handle = sandbox.handle
        assert messages.read_handle(json.loads(json.dumps(messages.handle_json(handle)))) == handle
        assert handle.kind == provider.kind
        assert sandbox.alive()
        assert sandbox.endpoints
        assert handle.id in {h.id for h in provider.find() if h.data["owner_alive"]}
    finally:
        sandbox.close()


def look_at_commands(provider: Provider, tmp_path: Path) -> None:
    """Commands run, and whatever becomes of them is a result."""
    sandbox = _begin(provider)
    try:
        assert sandbox.run("/bin/cat", stdin=b"in").output == b"in"
        assert sandbox.run("/bin/sh", "-c", "exit 9").exit_code == 9
        late = sandbox.run("/bin/sleep", "60", timeout=0.3)
        assert (late.exit_code, late.stopped_by) == (None, "wall")
    finally:
        sandbox.close()


def look_at_files(provider: Provider, tmp_path: Path) -> None:
    """Files go in and come out, never past its folder, and the evidence can be taken along."""
    (tmp_path / "in").write_bytes(b"content")
    sandbox = _begin(provider)
    try:
        sandbox.put(tmp_path / "in", "file")
        sandbox.get("file", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == b"content"
        for outside in ("../x", "/etc/x", "a/../../x"):
            with pytest.raises(ValueError):
                sandbox.put(tmp_path / "in", outside)
            with pytest.raises(ValueError):
                sandbox.get(outside, tmp_path / "out")
        evidence = tmp_path / "evidence"
        evidence.mkdir()
        sandbox.collect(evidence)
        assert list(evidence.iterdir())
    finally:
        sandbox.close()


def look_at_its_end(provider: Provider, tmp_path: Path) -> None:
    """Closing is idempotent; everything else raises then, and nobody finds it any more."""
    sandbox = _begin(provider)
    try:
        view = provider.attach(sandbox.handle)
        assert view.alive()
        view.close()
        assert sandbox.alive()
    finally:
        sandbox.close()
    sandbox.close()
    assert not sandbox.alive()
    assert not provider.attach(sandbox.handle).alive()
    assert sandbox.handle.id not in {h.id for h in provider.find()}
    (tmp_path / "file").touch()
    for use in (
        lambda: sandbox.run("/bin/true"),
        lambda: sandbox.put(tmp_path / "file", "x"),
        lambda: sandbox.get("x", tmp_path / "y"),
        lambda: sandbox.collect(tmp_path),
    ):
        with pytest.raises(RuntimeError):
            use()


def look_at_an_abandoned_start(provider: Provider, tmp_path: Path) -> None:
    """Whatever goes wrong while it starts, nothing of it stays."""
    before, steps = {h.id for h in provider.find()}, 0
    while True:
        heard: list[Progress] = []

        def refuse(progress: Progress, last: int = steps, heard: list[Progress] = heard) -> None:
            heard.append(progress)
            if sum(each.done for each in heard) > last:
                raise ZeroDivisionError

        try:
            _begin(provider, refuse).close()
        except ZeroDivisionError:
            steps += 1
        else:
            break
        assert {h.id for h in provider.find()} == before, heard[-1].step
    assert steps == sum(each.done for each in heard)


LOOKS = [look_at_its_start, look_at_commands, look_at_files, look_at_its_end, look_at_an_abandoned_start]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.__name__)
@pytest.mark.parametrize("make", [Fake, _slow], ids=["fake", "slow"])
def test_the_fakes_keep_the_contract(make: Callable[[], Provider], look: Look, tmp_path: Path) -> None:
    look(make(), tmp_path)


@pytest.mark.system
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.__name__)
def test_the_control_plane_keeps_the_contract(look: Look, tmp_path: Path) -> None:
    look(ControlPlaneProvider(), tmp_path)


class _Older(VirtualMachineProvider):
    """The same, with the older kernel where nobody asks for one."""

    def start(self, spec: Spec, report: Report) -> VirtualMachine:
        return super().start(replace(spec, options={"kernel": "6.1", **spec.options}), report)


@pytest.mark.system
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.__name__)
@pytest.mark.parametrize("make", [VirtualMachineProvider, _Older], ids=["6.12", "6.1"])
def test_virtual_machines_keep_the_contract(make: Callable[[], Provider], look: Look, tmp_path: Path) -> None:
    look(make(), tmp_path)


@pytest.mark.parametrize(
    ("make", "look"), [(Dies, look_at_its_start), (Lies, look_at_commands), (Lies, look_at_its_end)]
)
def test_the_contract_tells_who_breaks_it(make: Callable[[], Provider], look: Look, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        look(make(), tmp_path)


def test_one_that_never_comes_up_says_so_and_leaves_nothing() -> None:
    never = Never()
    with pytest.raises(StartFailed, match="readiness") as failure:
        _begin(never)
    assert failure.value.log == "the last words of a fake"
    assert not list(never.find())


def test_what_is_missing_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="apt-get install"):
        Missing().probe()
    with pytest.raises(Unavailable, match="make setup"):
        ControlPlaneProvider(cache=tmp_path).probe()
    with pytest.raises(Unavailable, match="make setup"):
        VirtualMachineProvider(cache=tmp_path).probe()
    with pytest.raises(Unavailable, match="controlplane"):
        provider_of("nothing")


def test_every_provider_has_its_heading(checkout: Path) -> None:
    with pytest.raises(Unavailable) as failure:
        provider_of("nothing")
    known = str(failure.value).rpartition("known are ")[2].split(", ")
    assert {"controlplane", "vm"} <= set(known)
    text = (checkout / "docs/reference/providers.md").read_text()
    assert [kind for kind in known if f"\n## {kind}\n" not in text] == []
