"""Every secret that the programs need, read once before any of them is started."""

from __future__ import annotations

from airwarden.adapters.secrets import read_secret
from airwarden.cli import composition, exporting, remediating, stated
from airwarden.core.settings import Settings


def read_every_secret(settings: Settings) -> None:
    """Do what the programs do with their secrets at start, and keep nothing.

    Raises:
        WrongInputError: One cannot be read; names the setting and the file or variable.
    """
    ports = [composition.cluster_ports(cluster) for cluster in settings.clusters]
    composition.close(ports)
    exporting.door(settings)
    for cluster in settings.clusters:
        stated.queries(settings, cluster.name)
    if (events := settings.exporter.events) is not None:
        read_secret(events.token, place="exporter.events.token")
    composition.prometheus(settings)
    composition.alertmanager(settings)
    remediating.remediator_config(settings)
    remediating.journal_url(settings)
    remediating.composers(settings)
    remediating.chat(settings)
    remediating.chat_socket(settings)
    remediating.pages(settings)
    remediating.signing(settings)
