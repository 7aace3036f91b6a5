"""What every test may rely on: folders of its own, and no question to the outside.

The cache (Go, Kubernetes) is the machine's: it is read, and only ever gains whole results.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import django
import hypothesis
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from lastmile.accounts.models import User
    from lastmile.classroom.models import Classroom
    from lastmile.embedded.children import Program

CHROMIUM = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

# Before any module of the platform is imported. Short, because Unix sockets have at most 107 letters.
_SCRATCH = Path(tempfile.mkdtemp(prefix="lastmile-tests-"))
_SCRATCH.chmod(0o755)  # the account of the database servers has to get to its own folders below
os.environ["LASTMILE_STATE"] = str(_SCRATCH / "state")
os.environ["LASTMILE_RUN"] = str(_SCRATCH / "run")
os.environ["LASTMILE_K8S_MIRROR"] = "off"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lastmile.settings")


def pytest_configure(config: pytest.Config) -> None:
    """Here and not by an ini line: pytest-django would read the settings before the lines above."""
    django.setup()
    if config.getoption("numprocesses"):
        # or the processes that do the work would be told, and read them before they have folders of their own
        del os.environ["DJANGO_SETTINGS_MODULE"]
    # A busy machine is no failure, and a red run has to be red again.
    hypothesis.settings.register_profile("lastmile", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("lastmile")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright keeps an event loop in this thread from then on, and their course a pool."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_unconfigure() -> None:
    """Also where nothing was run, as with --collect-only."""
    shutil.rmtree(_SCRATCH, ignore_errors=True)


@pytest.fixture(scope="session")
def servers() -> Iterator[None]:
    """PostgreSQL and Redis, for this session alone, where DATABASE_URL and REDIS_URL name no others."""
    from lastmile import environment
    from lastmile.embedded import binaries, broker, database
    from lastmile.embedded.children import Child
    from sandboxes.paths import run_dir, state_dir

    who = binaries.account()
    run_dir().mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:

        def start(program: Program, ready: Callable[[], bool]) -> None:
            child = Child(program, _SCRATCH / "logs")
            stack.callback(child.wait_stopped)
            stack.callback(child.ask_to_stop)
            child.wait_ready(ready, 60.0)

        if "REDIS_URL" not in os.environ:
            socket = environment.redis_socket()
            program = broker.program(
                binaries.redis_server(), state_dir() / "redis", socket, who, durable=False
            )
            start(program, lambda: broker.is_ready(socket))
        if "DATABASE_URL" not in os.environ:
            installed, data = binaries.postgres(who), state_dir() / "postgres"
            database.initialise(installed, data, who)
            sockets = environment.postgres_socket_dir()
            program = database.program(installed, data, sockets, who, durable=False)
            start(program, lambda: database.is_ready(sockets))
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: None) -> None:
    """pytest-django asks for this before it makes the test database."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all; a test opens a page or a profile of its own."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    assert path, "no Chromium: make test installs it as root, else apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM.split())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).parents[1]


# People by their role in the story that a permission test tells.


@pytest.fixture
def classroom(db: None) -> Classroom:
    from lastmile.classroom.models import Classroom

    return Classroom.objects.create(slug="hangzhou", title_zh="杭州班", title_en="Hangzhou class")


def _person(name: str, role: str = "learner", classroom: Classroom | None = None) -> User:
    from lastmile.accounts.models import User
    from lastmile.classroom.models import Membership

    # No password: tests sign in with force_login, and hashing one takes longer than a test.
    user = User.objects.create(username=name, first_name=name.title(), role=role)
    if classroom is not None:
        Membership.objects.create(classroom=classroom, user=user, role=role)
    return user


@pytest.fixture
def owner(classroom: Classroom) -> User:
    """The learner whose work it is."""
    return _person("owner", classroom=classroom)


@pytest.fixture
def classmate(classroom: Classroom) -> User:
    """Another learner of the owner's class."""
    return _person("classmate", classroom=classroom)


@pytest.fixture
def instructor(classroom: Classroom) -> User:
    """Teaches the owner's class."""
    return _person("instructor", "instructor", classroom)


@pytest.fixture
def stranger(db: None) -> User:
    """An instructor, but of no class of the owner's."""
    return _person("stranger", "instructor")
