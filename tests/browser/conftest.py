"""A course of its own, served by `manage.py up`, and a real Chromium that looks at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.visiting import Visit, Visitor

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "platform" / "lastmile" / "assets"
BUILT = ROOT / "platform" / "lastmile" / "static" / "build" / "site.js"
LOCALES = {"zh": "zh-CN", "en": "en-US"}
COOKIES = {"zh": "zh-hans", "en": "en"}


@pytest.fixture(scope="session", autouse=True)
def _patience() -> None:
    """Drawing takes its time on a machine that also grades."""
    expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of a course with the demo class. Ended by its id, with everything that it started."""
    assert BUILT.exists(), "the front-end is not built: make setup"
    home = Path(tempfile.mkdtemp(prefix="lm-web-"))
    home.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = dict(os.environ) | {"LASTMILE_STATE": str(home / "state"), "LASTMILE_RUN": str(home / "run")}
    for name in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"):
        env.pop(name, None)
    command = [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(port), "--workers", "1"]
    with subprocess.Popen(
        command, env=env, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as up:
        try:
            assert up.stdout
            said = []
            for line in up.stdout:
                said.append(line)
                if line.startswith("ready at"):
                    break
            else:
                pytest.fail("the course did not come up:\n" + "".join(said))
            yield f"http://127.0.0.1:{port}"
        finally:
            up.send_signal(signal.SIGINT)
            up.communicate(timeout=120)
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def visit(site: str, chromium: Browser) -> Iterator[Visit]:
    """visit(name="", language="zh", theme="light", width=1280): a new browser profile, signed in when named."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def make(name: str = "", language: str = "zh", theme: str = "light", width: int = 1280) -> Visitor:
        context = chromium.new_context(
            viewport={"width": width, "height": 860},
            color_scheme="dark" if theme == "dark" else "light",
            locale=LOCALES[language],
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.add_cookies([{"name": "lastmile_language", "value": COOKIES[language], "url": site}])
        page = context.new_page()
        visitor = Visitor(context, page, site)
        visitors.append(visitor)
        page.on("console", lambda said: visitor.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: visitor.errors.append(str(error)))
        if name:
            visitor.sign_in(name)
        return visitor

    yield make
    for context in contexts:
        context.close()
    for visitor in visitors:
        assert visitor.errors == []


@pytest.fixture(scope="session")
def axe() -> str:
    return (ASSETS / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
