"""Journals that are up to date already: what every test would migrate first is migrated once a process."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from airwarden.adapters.clock import SystemClock
from airwarden.remediation.journal.store import open_journal

_SQLITE = "sqlite:///"


def up_to_date(url: str) -> str:
    """Return the URL, with an empty journal of the newest schema where SQLite has no file yet."""
    file = Path(url.removeprefix(_SQLITE))
    if url.startswith(_SQLITE) and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(_empty())
    return url


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory(prefix="airwarden-journal-") as folder:
        file = Path(folder) / "journal.db"
        open_journal(f"{_SQLITE}{file}", SystemClock(), database_time=False).close()
        return file.read_bytes()
