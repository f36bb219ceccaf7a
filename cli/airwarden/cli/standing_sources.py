"""What `airwarden status` and `airwarden top` ask, built from the settings."""

from __future__ import annotations

from pathlib import Path

from airwarden.cli import composition
from airwarden.cli.commands._operating import settings_of
from airwarden.cli.operator import Operator
from airwarden.cli.standing import Sources


def sources(config: Path) -> Sources:
    """Return what is asked.

    Raises:
        WrongInputError: The settings are wrong, or a secret cannot be read.
    """
    settings = settings_of(config)
    operator = Operator(settings)
    prometheus = composition.prometheus(settings)
    alertmanager = composition.alertmanager(settings, everything=True)
    return Sources(
        clusters=[cluster.name for cluster in settings.clusters],
        prometheus=prometheus,
        alertmanager=alertmanager,
        remediator=operator.get,
    )
