"""What the shipped settings have the programs write lies where they may write: the rest is read-only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.core.settings import Settings, parse
from support.repository import ROOT

SHIPPED = ("compose", "kubernetes/base", "systemd")
STATE = Path("/var/lib/airwarden")


def written(settings: Settings) -> Iterator[Path]:
    """Yield the files and folders that the programs write with these settings."""
    remediator, events = settings.remediator, settings.exporter.events
    yield remediator.audit.checkpoint_file
    yield remediator.retention.archive_dir
    if events is not None:
        yield events.state_file
    journal = remediator.journal.url.literal or ""
    if journal.startswith("sqlite:///"):
        yield Path(journal.removeprefix("sqlite:///"))


@pytest.mark.parametrize("place", SHIPPED)
def test_the_programs_write_nowhere_else(place: str) -> None:
    text = (ROOT / "deploy" / place / "airwarden.yaml").read_text()
    settings = parse(text, source="/etc/airwarden/airwarden.yaml", environ={})
    for path in written(settings):
        assert path.is_relative_to(STATE), path
