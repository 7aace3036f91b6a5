"""The production shape: compose.yaml, its image, and what they say to the rest. Nobody runs Docker here."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from labs.harness import manifest
from lastmile.embedded import programs
from lastmile.embedded.up import Plan
from lastmile.practice.outbox import queue_for
from sandboxes.keeper import cgroup
from sandboxes.setup import packages

# Folders, which the image names; what is for trying things out; what a learner sets.
NOT_OF_COMPOSE = {
    *("LASTMILE_CACHE", "LASTMILE_STATE", "LASTMILE_RUN"),
    *("LASTMILE_DEMO", "LASTMILE_DEBUG"),
    *("LASTMILE_URL", "LASTMILE_TOKEN"),
}
BUILT_WITH = ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY")
MIRRORS = {*BUILT_WITH, "GOPROXY", "GOSUMDB", "LASTMILE_K8S_MIRROR"}


@pytest.fixture(scope="module")
def every(checkout: Path) -> dict[str, dict[str, Any]]:
    """The services of compose.yaml."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((checkout / "compose.yaml").read_text())["services"]
    return found


@pytest.fixture(scope="module")
def services(every: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those that are ours."""
    return {name: service for name, service in every.items() if service["image"] == "lastmile"}


def test_it_works(services: dict[str, dict[str, Any]], checkout: Path) -> None:
    """Each command names something that is there."""
    commands = {name: shlex.split(service["command"]) for name, service in services.items()}
    assert set(commands) == {"setup", "migrate", "web", "sweeper", "worker"}
    sh, option, both = commands.pop("setup")
    assert (sh, option) == ("sh", "-c")
    setup, doctor = both.split(" && exec ")
    for words in (*commands.values(), setup.split(), doctor.split()):
        if words[:2] == ["python", "-m"]:
            assert importlib.util.find_spec(words[2]), words
        elif words[0] == "python":
            assert words[1] == "manage.py"
            assert words[2] in get_commands(), words
        else:
            assert (checkout / ".venv" / "bin" / words[0]).exists(), words
    assert importlib.util.find_spec(commands["web"][1].split(":")[0])


def test_the_image_is_built_once_and_never_pulled(
    services: dict[str, dict[str, Any]], checkout: Path
) -> None:
    (built,) = [service["build"] for service in services.values() if "build" in service]
    assert {service["pull_policy"] for service in services.values()} == {"never"}
    image = (checkout / "Dockerfile").read_text()
    assert set(built["args"]) == set(re.findall("^ARG ([A-Z_]+)$", image, re.MULTILINE)) == set(BUILT_WITH)


def test_compose_and_docker_name_the_two_source_roots(
    services: dict[str, dict[str, Any]], checkout: Path
) -> None:
    roots = "/srv/lastmile:/srv/lastmile/platform"
    assert {service["environment"]["PYTHONPATH"] for service in services.values()} == {roots}
    assert f"PYTHONPATH={roots}" in (checkout / "Dockerfile").read_text()


def test_every_lab_has_workers_that_serve_its_queue(services: dict[str, dict[str, Any]]) -> None:
    """Of `make up` and of the production shape, which serve the same: else its runs would wait for ever."""
    wanted = {queue_for(lab.sandbox) for lab in manifest.all_labs()}
    assert wanted <= set(programs.QUEUES.split(","))
    assert Plan().queues == programs.QUEUES
    assert "--queues" not in services["worker"]["command"]


def test_no_service_joins_the_processes_of_another(services: dict[str, dict[str, Any]]) -> None:
    """Docker starts neither while the other does not run, nor tries again: after a reboot both would stay down."""
    assert not [name for name, service in services.items() if {"pid", "ipc", "network_mode"} & set(service)]


def test_the_image_has_what_the_sandboxes_need(checkout: Path) -> None:
    """The set-up's volume is shared by the services, what apt installs is not."""
    image = (checkout / "Dockerfile").read_text().split()
    tools = packages.RUNNING + packages.VIRTUAL_MACHINES + packages.EBPF
    assert [tool.package for tool in tools if tool.package not in image] == ["ca-certificates"]


def test_every_setting_of_a_site_is_passed(services: dict[str, dict[str, Any]], checkout: Path) -> None:
    page = (checkout / "docs/reference/settings.md").read_text()
    settings = set(re.findall(r"^### ([A-Z0-9_]+)$", page, re.MULTILINE))
    passed = {name for service in services.values() for name in service["environment"]}
    assert passed - {"PYTHONPATH"} == settings - NOT_OF_COMPOSE


def test_what_starts_sandboxes_alone_is_given_no_secret(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in services["worker"]["environment"]:
        monkeypatch.setenv(name, "given")
    assert not {name for name in programs.pool().env if name.endswith(("_URL", "_SECRET_KEY"))}
    assert set(services["setup"]["environment"]) == {"PYTHONPATH", *MIRRORS}


def test_the_site_cannot_reach_the_pool(services: dict[str, dict[str, Any]]) -> None:
    """Whoever has its socket leases sandboxes, and the site is what strangers talk to."""
    mounts = {
        name for name, service in services.items() if any("run:" in v for v in service.get("volumes", ()))
    }
    assert mounts == {"worker"}


def test_the_example_names_what_compose_reads(checkout: Path) -> None:
    named = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", (checkout / ".env.example").read_text(), re.MULTILINE)
    read = set(re.findall(r"\$\{([A-Z0-9_]+)", (checkout / "compose.yaml").read_text()))
    assert set(named) == read


def test_services_are_stopped_as_patiently_as_by_make_up(services: dict[str, dict[str, Any]]) -> None:
    """The worker's programs end one after the other (lastmile.embedded.work)."""
    grace = float(services["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > programs.worker(1, "vm").stop_seconds + programs.pool().stop_seconds
    argv = programs.web("127.0.0.1", 8000).argv
    patience = argv[argv.index("--timeout-graceful-shutdown") + 1]
    assert f"--timeout-graceful-shutdown {patience} " in services["web"]["command"]


def test_no_log_grows_for_ever(every: dict[str, dict[str, Any]]) -> None:
    for name, service in every.items():
        assert {"max-size", "max-file"} == set(service["logging"]["options"]), name
    assert "--no-access-log" in programs.web("127.0.0.1", 8000).argv
    assert "--no-access-log" in shlex.split(every["web"]["command"])


def test_what_grades_has_privileges_and_what_strangers_talk_to_has_none(
    every: dict[str, dict[str, Any]], services: dict[str, dict[str, Any]]
) -> None:
    """And gets the processor after the others, as the jails do inside of it."""
    grading = {name for name, service in every.items() if service.get("privileged")}
    assert grading == {"setup", "worker"}
    assert {name: service["cpu_shares"] for name, service in every.items() if "cpu_shares" in service} == (
        dict.fromkeys(grading, cgroup._WEIGHTS["cpu.shares"])
    )
    for name in set(services) - grading:
        assert services[name]["cap_drop"] == ["ALL"], name
        assert services[name]["security_opt"] == ["no-new-privileges:true"], name


def test_the_image_has_no_secret_of_the_checkout(checkout: Path) -> None:
    ignored = set((checkout / ".dockerignore").read_text().splitlines())
    assert ignored >= {".env", ".env.*", "compose.override.yaml", "*.dump", "*.csv"}


def test_a_grader_may_read_what_was_checked_out_under_any_umask(checkout: Path, tmp_path: Path) -> None:
    """By the line of the Dockerfile, which leaves alone what may be read already."""
    (line,) = re.findall(r"^RUN (find \. .+)$", (checkout / "Dockerfile").read_text(), re.MULTILINE)
    modes = {"folder": 0o700, "folder/text": 0o600, "folder/program": 0o750, "right": 0o444}
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/nowhere")
    for name in modes:
        if name != "folder":
            (tmp_path / name).touch()
    for name in reversed(modes):
        (tmp_path / name).chmod(modes[name])
    tmp_path.chmod(0o700)
    before = (tmp_path / "right").stat().st_ctime_ns
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)
    found = {name: (tmp_path / name).stat().st_mode & 0o777 for name in (".", *modes)}
    wanted = {".": 0o755, "folder": 0o755, "folder/text": 0o644, "folder/program": 0o755, "right": 0o444}
    assert found == wanted
    assert (tmp_path / "right").stat().st_ctime_ns == before


class Site(ThreadingHTTPServer):
    """Answers /healthz with `status`; `hosts` are the names that it was asked by."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = 200
        self.hosts: list[str] = []


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        self.server.hosts.append(self.headers["Host"])
        self.send_response(self.server.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _probe(web: dict[str, Any], site: Site, hosts: str) -> int:
    """The exit code of the health check of `web`, asking `site`."""
    kind, python, option, code = web["healthcheck"]["test"]
    assert (kind, python, option) == ("CMD", "python", "-c")
    assert "8000" in code
    code = code.replace("8000", str(site.server_port))
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "LASTMILE_HOSTS": hosts}
    ).returncode


@pytest.mark.parametrize(
    ("hosts", "asked"),
    [
        ("course.example.org, localhost", "course.example.org"),
        (".example.org", "example.org"),
        ("*", "localhost"),
        ("[::1]", "[::1]"),
    ],
)
def test_the_site_is_probed_by_a_name_that_it_answers_to(
    services: dict[str, dict[str, Any]], site: Site, hosts: str, asked: str
) -> None:
    assert _probe(services["web"], site, hosts) == 0
    assert site.hosts == [asked]


def test_a_site_without_its_database_is_unhealthy(services: dict[str, dict[str, Any]], site: Site) -> None:
    site.status = 503
    assert _probe(services["web"], site, "localhost") == 1
