"""A real browser before a console with a morning behind it, at two widths and in both themes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from support.browsing import Person
from support.console_stage import Stage, tell

DESKTOP, PHONE = (1280, 860), (390, 844)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "there is no Chromium: sh deploy/local/bootstrap.sh browser"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield made
        made.close()


LOOKS = {
    f"{width} {theme}": (size, theme)
    for width, size in (("desktop", DESKTOP), ("phone", PHONE))
    for theme in ("light", "dark")
}


@dataclass(frozen=True)
class Scene:
    """A console of its own for each look: what one task changes, no other look sees."""

    look: str
    stage: Stage


def staged() -> Iterator[Stage]:
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as name:
        made = Stage(Path(name))
        tell(made)
        yield made
        made.close()


@pytest.fixture(scope="session", params=list(LOOKS))
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    for stage in staged():
        yield Scene(request.param, stage)


@pytest.fixture
def person(scene: Scene, browser: Browser) -> Iterator[Person]:
    yield from somebody(scene.look, browser, scene.stage)


@pytest.fixture(scope="session")
def desk() -> Iterator[Stage]:
    yield from staged()


@pytest.fixture
def desktop(browser: Browser, desk: Stage) -> Iterator[Person]:
    """Somebody at a desk, before a console that a look's tasks do not change."""
    kept = desk.operators
    yield from somebody("desktop light", browser, desk)
    desk.operators = kept


def somebody(look: str, browser: Browser, stage: Stage) -> Iterator[Person]:
    (width, height), theme = LOOKS[look]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        has_touch=width < 500,
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(10_000)
    one = Person(context.new_page(), stage, look)
    yield one
    context.close()
    assert one.faults == []
