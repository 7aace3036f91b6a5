"""The files that run other people's code: CI and pre-commit."""

from __future__ import annotations

import os
import re
from pathlib import Path

import yaml


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
