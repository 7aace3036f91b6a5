"""The files that run other people's code: CI and pre-commit."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import yaml
from django.core.management import get_commands

from labs.harness import manifest
from lastmile.embedded.supervisor import Plan
from lastmile.practice.outbox import queue_for
from sandboxes.setup import packages


def test_ci_runs_the_commands_of_the_readme(checkout: Path) -> None:
    script = checkout / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = re.findall(r"^make \w+$", script.read_text(), re.MULTILINE)
    assert commands == ["make check", "make test"]
    readme = (checkout / "README.md").read_text()
    assert all(command in readme for command in commands)


def test_pre_commit_is_pinned_by_sha_or_local(checkout: Path) -> None:
    config = yaml.safe_load((checkout / ".pre-commit-config.yaml").read_text())
    for repo in config["repos"]:
        assert repo["repo"] == "local" or re.fullmatch(r"[0-9a-f]{40}", repo["rev"])


def test_migrations_are_complete(checkout: Path) -> None:
    """Asks Django itself, without a database."""
    import django
    from django.apps import apps
    from django.db.migrations.autodetector import MigrationAutodetector
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.state import ProjectState
    from django.utils import translation

    django.setup()
    with translation.override(None):  # names are compared as they are written, not as they are read
        loader = MigrationLoader(None)
        now = ProjectState.from_apps(apps)
        changes = MigrationAutodetector(loader.project_state(), now).changes(loader.graph)
    assert changes == {}


def test_migrations_are_named_by_intent(checkout: Path) -> None:
    files = (checkout / "platform/lastmile").glob("*/migrations/[0-9]*.py")
    assert not [path.name for path in files if "_auto_" in path.name]


def test_compose_starts_what_exists(checkout: Path) -> None:
    """Nobody runs Docker here, so at least each command must name something that is there."""
    services = yaml.safe_load((checkout / "compose.yaml").read_text())["services"]
    commands = {name: service["command"].split() for name, service in services.items() if "build" in service}
    assert set(commands) == {"setup", "migrate", "web", "sweeper", "pool", "worker"}
    for words in commands.values():
        if words[:2] == ["python", "-m"]:
            assert importlib.util.find_spec(words[2]), words
        elif words[0] == "python":
            assert words[1] == "manage.py"
            assert words[2] in get_commands(), words
        else:
            assert (checkout / ".venv" / "bin" / words[0]).exists(), words
    assert importlib.util.find_spec(commands["web"][1].split(":")[0])


def test_compose_and_docker_name_the_two_source_roots(checkout: Path) -> None:
    roots = "/srv/lastmile:/srv/lastmile/platform"
    services = yaml.safe_load((checkout / "compose.yaml").read_text())["services"]
    ours = [service for service in services.values() if "build" in service]
    assert {service["environment"]["PYTHONPATH"] for service in ours} == {roots}
    assert f"PYTHONPATH={roots}" in (checkout / "Dockerfile").read_text()


def test_every_lab_has_workers_that_serve_its_queue(checkout: Path) -> None:
    """Of `make up` and of the production shape: else its runs would wait for ever."""
    wanted = {queue_for(lab.sandbox) for lab in manifest.all_labs()}
    assert wanted <= set(Plan().queues.split(","))
    worker = yaml.safe_load((checkout / "compose.yaml").read_text())["services"]["worker"]["command"]
    assert wanted <= set(worker.partition("--queues ")[2].split(" ")[0].split(","))


def test_the_image_has_what_the_sandboxes_need(checkout: Path) -> None:
    """The set-up's volume is shared by the services, what apt installs is not."""
    image = (checkout / "Dockerfile").read_text().split()
    tools = packages.RUNNING + packages.VIRTUAL_MACHINES + packages.EBPF
    assert [tool.package for tool in tools if tool.package not in image] == ["ca-certificates"]
