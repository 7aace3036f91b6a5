"""Globs of lab.toml."""

from __future__ import annotations

import pytest

from labs.harness.globs import matches


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("main.go", "*.go", True),
        ("api/main.go", "*.go", False),
        ("api/v1/types.go", "api/v1/*.go", True),
        ("api/v1/x/types.go", "api/v1/*.go", False),
        ("a/b/c.go", "**/*.go", True),
        ("c.go", "**/*.go", True),
        ("internal/a/b", "internal/**", True),
        ("main.go", "main?go", True),
        ("mainXgo", "main.go", False),
        ("main.go\n", "*.go", False),
    ],
)
def test_it_works(name: str, pattern: str, expected: bool) -> None:
    assert matches(name, pattern) is expected
