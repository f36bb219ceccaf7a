"""`remediator.audit` and `remediator.retention`: what the remediator proves, keeps and lets go."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from airwarden.core.durations import Duration
from airwarden.core.settings.base import ConfigPath, SecretRef, Section


class Audit(Section):
    """The audit: a chain of hashes, followed and signed off as it grows."""

    secrets: ClassVar[tuple[str, ...]] = ("key",)

    checkpoint_every: Duration = timedelta(hours=1)
    """After so long at most, what is new in the audit is followed link by link, and its end is signed
    off: in the journal, in `checkpoint_file`, and in the log."""

    checkpoint_entries: int = Field(default=1000, ge=1, le=100_000)
    """After so many new entries at most."""

    checkpoint_file: ConfigPath = Field(
        default=Path("airwarden-audit.checkpoints"), validate_default=True
    )
    """One line for each checkpoint, outside the journal, so that a journal that was cut off or
    rewritten shows. Keep it where the journal's administrator cannot write, or ship the log."""

    key: SecretRef | None = None
    """With a key, checkpoints are signed (HMAC-SHA-256): who can write the journal and the file still
    cannot make one. None: they are not signed."""


class Retention(Section):
    """What is taken out of the journal once it is old; incidents and audit are archived first."""

    incidents: Duration = timedelta(days=90)
    """Incidents that ended so long ago go, with their runs, attempts, alerts and approvals, and the
    audit's entries of that time."""

    deliveries: Duration = timedelta(days=7)
    """Deliveries that were worked off, alert events that belong to no incident and alerts that ended
    go after this time."""

    notices: Duration = timedelta(days=7)
    """Notices that were sent or replaced go after this time; those that failed after `incidents`."""

    archive_dir: ConfigPath = Field(default=Path("airwarden-archive"), validate_default=True)
    """Where incidents and audit are written before they leave the journal, as JSON lines, a file a
    month. If it cannot be written, nothing of them is pruned."""

    every: Duration = timedelta(hours=1)
    """How often the leader looks for what is old."""

    batch: int = Field(default=500, ge=1, le=10_000)
    """Rows that one transaction takes out at most. Between two transactions it rests four times as
    long as one took, so that work never waits for it."""
