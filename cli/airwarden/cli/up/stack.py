"""The stack of `airwarden up`: which children there are, how they become ready, how they stop."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from airwarden.cli import lifecycle
from airwarden.cli.options import load_settings, located
from airwarden.cli.outputs import render_all, write_all
from airwarden.cli.secrets_check import read_every_secret
from airwarden.cli.up import programs, state
from airwarden.cli.up.children import Child, ChildEndedError, stop_all
from airwarden.core.errors import AirwardenError, UnavailableError, WrongInputError
from airwarden.core.settings import Settings

_READY_WITHIN = 60.0
_GRACE = 15.0


@dataclass(frozen=True, slots=True)
class Composed:
    """What the settings and the state folder make of each other.

    Attributes:
        settings: With everything filled in.
        children: In the order in which they start.
        files: The generated configuration, relative path → content.
    """

    settings: Settings
    children: list[Child]
    files: dict[str, str]


class Stack:
    """Airwarden on one machine.

    Args:
        config: The settings file.
        folder: The state folder, which this process owns.
        say: Tells the operator something.
    """

    def __init__(self, config: Path, folder: Path, say: Callable[[str], None]) -> None:
        self._config, self._folder, self._say = config, folder, say
        self._found = state.overrides(load_settings(config), folder)
        state.remember(folder, self._found)
        composed = self._compose()
        self.settings, self.children = composed.settings, composed.children
        self._write(composed)

    @property
    def generated(self) -> Path:
        """The folder of the generated configuration."""
        return self._folder / "config"

    def _compose(self) -> Composed:
        environment = state.child_environment(self._found)
        settings = load_settings(self._config, environ=environment)
        if not settings.clusters:
            raise WrongInputError(
                "is missing: there is nothing to watch",
                place="clusters",
                hint="airwarden init writes one",
            )
        with located(self._config):
            read_every_secret(settings)
        logs, generated = self._folder / "logs", self.generated
        children: list[Child] = []
        if settings.alertmanager.url in self._found.values():
            child = programs.alertmanager(settings, self._folder, generated, environment)
            children.append(child)
        if settings.prometheus.url in self._found.values():
            child = programs.prometheus(settings, self._folder, generated, environment)
            children.append(child)
        for name, listen in (
            ("exporter", settings.exporter.listen),
            ("remediator", settings.remediator.listen),
        ):
            # A certificate need not name the loopback address, and may ask for one of ours.
            secured = name == "exporter" and settings.exporter.tls is not None
            ready = f"tcp://{listen}" if secured else f"http://{listen}/healthz"
            children.append(programs.own(name, self._config.resolve(), environment, ready, logs))
        return Composed(settings, children, dict(render_all(settings)))

    def _write(self, composed: Composed) -> None:
        write_all(composed.files, self.generated)
        # Alertmanager's file may name a heartbeat that is meant for few eyes.
        self.generated.chmod(0o700)

    def start(self) -> None:
        """Start every child and wait until each answers.

        Raises:
            ChildEndedError: One ended; its last words are in the message.
            UnavailableError: One does not answer in time.
        """
        for child in self.children:
            child.start()
        for child in self.children:
            self._await(child)

    def _await(self, child: Child) -> None:
        deadline = time.monotonic() + _READY_WITHIN
        while not _answers(child.ready_url):
            if child.wait(0.2):
                raise ChildEndedError(
                    f"{child.name} ended while starting; the end of {child.log}:\n"
                    + child.last_words()
                )
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"{child.name} does not answer at {child.ready_url} after"
                    f" {_READY_WITHIN:.0f} s; see {child.log}"
                )
        self._say(f"{child.name} is up")

    def run(self) -> None:
        """Watch the children until asked to stop."""
        lifecycle.wait(reload=self.reload, tick=self._tend)

    def _tend(self) -> None:
        for child in self.children:
            try:
                child.tend(self._say)
            except ChildEndedError as error:
                self._say(str(error))

    def reload(self) -> None:
        """Read the settings again and hand them on; wrong ones change nothing anywhere."""
        try:
            composed = self._compose()
            self._write(composed)
        except AirwardenError as error:
            self._say(f"settings refused, the old ones stay in force: {error}")
            return
        self.settings = composed.settings
        for child in self.children:
            child.signal(child.reload)
        self._say("settings read again")

    def stop(self) -> None:
        """Stop every child; returns when none is left."""
        stop_all(self.children, grace=_GRACE)


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        if parts.scheme == "tcp":
            socket.create_connection((parts.hostname, parts.port), timeout=2.0).close()
            return True
        return httpx.get(url, timeout=2.0, trust_env=False).is_success
    except (httpx.HTTPError, OSError):
        return False
