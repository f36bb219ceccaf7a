"""The image starts as nobody, on a root that it cannot write, and is healthy. Run by `make image-test`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.images import Container, Image, status_of
from support.repository import project

pytestmark = pytest.mark.reliability

SETTINGS = """
clusters:
  - name: production
    airflow: {url: "http://127.0.0.1:9", auth: {token_file: token}}
remediator:
  journal: {url: "sqlite:////var/lib/airwarden/journal.db"}
  webhook_token_file: token
  api_token_file: token-of-people
  metrics_token_file: token-of-prometheus
"""


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    image = Image.unpacked()
    yield image
    image.removed()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    folder = tmp_path / "settings"
    folder.mkdir()
    (folder / "airwarden.yaml").write_text(SETTINGS)
    for name in ("token", "token-of-people", "token-of-prometheus"):
        (folder / name).write_text(f"{name}-{'t' * 24}")
    return folder


@pytest.fixture(params=["exporter", "remediator"])
def container(
    request: pytest.FixtureRequest, image: Image, settings: Path, tmp_path: Path
) -> Iterator[Container]:
    container = Container(image, settings, tmp_path / "log", request.param)
    try:
        container.await_health()
        yield container
    finally:
        container.child.stop()


def test_it_runs_as_nobody_without_capabilities_on_a_read_only_root(container: Container) -> None:
    status = status_of(container, ("Uid", "Gid", "CapEff", "CapPrm"))
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65532"}
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    for place in ("/", "/opt/airwarden", "/etc/airwarden", "/usr/bin"):
        tried = container.run("/usr/bin/touch", f"{place}/written")
        assert tried.returncode != 0, place
    root = container.run("/bin/sh", "-c", "grep ' / ' /proc/mounts | tail -n 1").stdout.split()
    assert "ro" in root[3].split(",")


def test_the_health_check_fails_when_the_program_is_frozen(container: Container) -> None:
    asked = container.health()
    assert (asked.returncode, asked.stdout.split()[0]) == (0, "200")
    pid = container.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        frozen = container.health()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert frozen.returncode == 1
    assert frozen.stdout.startswith("unhealthy: ")


def test_sigterm_ends_it_in_order(container: Container) -> None:
    container.stop()
    assert container.child.process.returncode == 0


def test_it_says_what_it_is_and_holds_nothing_that_builds(image: Image) -> None:
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == project()["project"]["version"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert len(labels["org.opencontainers.image.revision"]) == 40
    packages = image.root.glob("opt/airwarden/lib/python3*/site-packages/*.dist-info")
    installed = {path.name.partition("-")[0] for path in packages}
    assert "airwarden" in installed
    assert installed & {"pip", "uv", "pytest", "mypy", "hatchling", "ruff", "playwright"} == set()
    assert not (image.root / "src").exists()
    assert not (image.root / "opt/tools").exists()
