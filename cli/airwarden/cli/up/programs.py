"""The programs of the stack: where they are and how they are started."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from airwarden.cli.up.children import Child
from airwarden.core.durations import format_duration
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings

#: Debian calls it by the second name.
ALERTMANAGER = ("alertmanager", "prometheus-alertmanager")


def find(names: tuple[str, ...], setting: str) -> str:
    """Return the path of a program on PATH.

    Raises:
        WrongInputError: It is not there; names the setting by which it is not needed.
    """
    for name in names:
        if (path := shutil.which(name)) is not None:
            return path
    raise WrongInputError(
        f"{names[0]} is not on PATH",
        place="airwarden up",
        hint=f"install it (Debian: apt-get install {names[-1]}), or name one that runs: {setting}",
    )


def own(name: str, config: Path, environment: Mapping[str, str], ready: str, logs: Path) -> Child:
    """Return one of our own programs as a child."""
    command = (sys.executable, "-m", "airwarden.cli", name, "--config", str(config))
    return Child(name, (*command, "--log-format", "json"), environment, ready, logs / f"{name}.log")


def prometheus(
    settings: Settings, folder: Path, configuration: Path, environment: Mapping[str, str]
) -> Child:
    """Return a Prometheus of our own as a child."""
    listen = settings.prometheus.listen
    return Child(
        "prometheus",
        (
            find(("prometheus",), "prometheus.url"),
            f"--config.file={configuration / 'prometheus/prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--storage.tsdb.retention.time={format_duration(settings.prometheus.retention)}",
            f"--web.listen-address={listen}",
            f"--web.external-url=http://{listen}",
        ),
        environment,
        f"http://{listen}/-/ready",
        folder / "logs/prometheus.log",
    )


def alertmanager(
    settings: Settings, folder: Path, configuration: Path, environment: Mapping[str, str]
) -> Child:
    """Return an Alertmanager of our own as a child; it talks to no cluster of Alertmanagers."""
    listen = settings.alertmanager.listen
    return Child(
        "alertmanager",
        (
            find(ALERTMANAGER, "alertmanager.url"),
            f"--config.file={configuration / 'alertmanager/alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={listen}",
            f"--web.external-url=http://{listen}",
            "--cluster.listen-address=",
        ),
        environment,
        f"http://{listen}/-/ready",
        folder / "logs/alertmanager.log",
    )
