"""The rules of the folders (docs/adr/0001-platform-is-a-source-root.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path


def test_platform_is_a_source_root_and_no_package(checkout: Path) -> None:
    assert not (checkout / "platform" / "__init__.py").exists()
    holds = {
        path.name for path in (checkout / "platform").iterdir() if not path.name.startswith(("__py", "."))
    }
    assert holds == {"lastmile"}


def test_pythons_own_platform_module_is_not_hidden(checkout: Path) -> None:
    code = "import platform, sysconfig; assert platform.__file__.startswith(sysconfig.get_paths()['stdlib'])"
    env = {"PYTHONPATH": f"{checkout}:{checkout / 'platform'}"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=checkout, env=env)


def test_folders_of_tests_are_no_packages(checkout: Path) -> None:
    assert not [*(checkout / "tests").rglob("__init__.py")]


def test_test_files_have_distinct_names(checkout: Path) -> None:
    names = [path.name for path in (checkout / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_the_bootstrap_needs_nothing_but_the_standard_library(checkout: Path) -> None:
    tree = ast.parse((checkout / "sandboxes" / "setup" / "bootstrap.py").read_text())
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else name.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert imported <= set(sys.stdlib_module_names)
