"""The one real platform that acceptance tests share.

It starts in the background as soon as the tests are collected, so that the first test that
needs it waits less. A platform that runs already in ``AIRWARDEN_PLATFORM_STATE`` is used as it
is and left running; any other is stopped at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localplatform import lifecycle
from localplatform.faults import undo_all
from localplatform.layout import REPOSITORY, STATE_OVERRIDE, Platform
from localplatform.progress import Steps
from stories import installation
from stories.installation import Installation
from stories.scene import Scene
from stories.timeline import Timeline
from support.eventually import eventually

HERE = Path(__file__).parent
START_SECONDS = 420


class Boot:
    """A platform that is being started by a process of its own."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.was_running = lifecycle.status(state_dir).running
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in stop()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "localplatform", "up", "--state", str(state_dir)],
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "deploy" / "local")},
        )

    def wait(self) -> Platform:
        """Return the platform once it is healthy; fail with what its start printed."""
        code = self._process.wait(START_SECONDS)
        if code != 0:
            self._output.seek(0)
            pytest.fail(f"the platform did not start:\n{self._output.read()}", pytrace=False)
        return Platform.load(self.state_dir)

    def stop(self) -> None:
        """Stop the platform, unless it ran before."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        self._output.close()
        if not self.was_running:
            lifecycle.down(self.state_dir)


def _state_dir() -> Path:
    chosen = os.environ.get(STATE_OVERRIDE)
    return Path(chosen).resolve() if chosen else REPOSITORY / "var" / "acceptance"


BOOT = pytest.StashKey[Boot]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever comes first waits for the platform too, which takes long on a busy machine."""
    for item in items:
        if item.path.is_relative_to(HERE) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(START_SECONDS + 120))


def pytest_collection_finish(session: pytest.Session) -> None:
    needed = any(
        "platform" in getattr(item, "fixturenames", ())
        for item in session.items
        if item.path.is_relative_to(HERE)
    )
    if needed and not session.config.option.collectonly:
        session.config.stash[BOOT] = Boot(_state_dir())


def pytest_unconfigure(config: pytest.Config) -> None:
    boot = config.stash.get(BOOT, None)
    if boot is not None:
        boot.stop()


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest) -> Platform:
    """Return the running platform; faults done to it must be undone by who did them."""
    boot = request.config.stash[BOOT]
    return boot.wait()


@pytest.fixture(scope="session")
def installed(platform: Platform) -> Iterator[Installation]:
    """Airwarden beside the platform, with the demo's configuration."""
    undo_all(platform)
    yield installation.install(platform, steps=Steps(quiet=True))
    installation.remove(platform)


@pytest.fixture
def new_scene(platform: Platform, installed: Installation) -> Iterator[Callable[[], Scene]]:
    """Return a maker of scenes; every fault is undone after the test, whatever became of it.

    A scene begins once nothing fires any more of what the test before did.
    """

    def scene() -> Scene:
        return Scene(
            platform=platform,
            timeline=Timeline(lambda event: None),
            remediator_url=installed.remediator_url,
            api_token=installed.api_token,
            endpoints_url=installed.endpoints_url,
        )

    def make() -> Scene:
        before = scene()
        eventually(
            lambda: before.firing() in ([], ["Watchdog"]),
            within=120,
            every=0.5,
            what="nothing fires of what was before",
        )
        return scene()

    yield make
    undo_all(platform)
