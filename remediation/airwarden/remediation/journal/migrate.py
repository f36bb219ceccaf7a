"""Bringing the schema up to date at start: by one process at a time, all or nothing."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from airwarden.core.errors import WrongInputError
from airwarden.remediation.journal.connect import Engines

#: Any fixed number: the key of the transaction lock that migrations take on PostgreSQL.
_LOCK_KEY = 4_157_310_021


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for the revisions that lie beside this file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def migrate(engines: Engines) -> None:
    """Upgrade to the newest revision; another process that does the same waits.

    Raises:
        WrongInputError: The database was written by a newer version whose changes are unknown here.
    """
    with _file_lock(engines.file), engines.writer.begin() as connection:
        if engines.postgresql:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        config = configuration(connection)
        current = MigrationContext.configure(connection).get_current_revision()
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if current is not None and current not in known:
            raise WrongInputError(
                f"the journal's schema is at revision {current}, which this version does not know",
                place="remediator.journal",
                hint="it was written by a newer Airwarden: run that version",
            )
        command.upgrade(config, "head")


def newest_revision() -> str:
    """Return the revision of the schema that this version works with."""
    return str(ScriptDirectory.from_config(configuration()).get_current_head())


@contextmanager
def _file_lock(file: Path | None) -> Iterator[None]:
    if file is None:
        yield
        return
    with file.with_name(file.name + ".migrate").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
