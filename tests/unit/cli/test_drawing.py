"""The dashboards are drawn beside the settings, and whatever goes wrong there is told as if they were not."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

import pytest

from airwarden.cli import drawing
from airwarden.core.errors import WrongInputError
from airwarden.dashboards import generate
from airwarden.dashboards.config import DashboardConfig

HERE = DashboardConfig(console="https://console.example.com")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test runner may have threads of its own; the command has none."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def drawn(config: DashboardConfig) -> Mapping[str, str]:
    return {"process": str(os.getpid()), "console": config.console, "much": "x" * 1_000_000}


def test_another_process_draws_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "build", drawn)
    with drawing.beside() as draw:
        files = draw(HERE)()
    assert files["process"] != str(os.getpid())
    assert files["console"] == HERE.console
    assert len(files["much"]) == 1_000_000


def test_no_process_is_left_where_nothing_is_asked_for() -> None:
    with pytest.raises(WrongInputError), drawing.beside():
        raise WrongInputError("the settings are wrong")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_what_cannot_be_drawn_is_refused_with_its_reason() -> None:
    with (
        pytest.raises(WrongInputError, match="no target of that name"),
        drawing.beside() as draw,
    ):
        draw(DashboardConfig(sources={"nothing": "nowhere"}))()


def test_a_process_with_threads_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "build", drawn)
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    with drawing.beside() as draw:
        assert draw(HERE)()["process"] == str(os.getpid())
