"""Bringing the schema up to date at start: by one process at a time, all or nothing."""

from __future__ import annotations

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text

from airwarden.core.errors import WrongInputError
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.states import TRANSITIONS
from airwarden.remediation.journal.connect import Engines
from airwarden.remediation.journal.tables import transition

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
            # A change of a table waits for those who use it, and they would wait behind it.
            connection.execute(text("SELECT set_config('lock_timeout', '10s', true)"))
        config = configuration(connection)
        current = MigrationContext.configure(connection).get_current_revision()
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if current is not None and current not in known:
            if _only_adds(current, known):
                return
            raise WrongInputError(
                f"the journal's schema is at revision {current}, which this version does not know",
                place="remediator.journal",
                hint="it was written by a newer Airwarden: run that version",
            )
        command.upgrade(config, "head")
        crash_at("mid-migration")
        _allow_transitions(connection)


def _allow_transitions(connection: Connection) -> None:
    """Put the state machines' pairs into the table that the triggers ask; none is ever taken out.

    An earlier version that runs beside this one goes on making the transitions that it knows.
    """
    known = {tuple(row) for row in connection.execute(select(transition))}
    wanted = {
        (machine, old.value, new.value)
        for machine, pairs in TRANSITIONS.items()
        for old, following in pairs.items()
        for new in following
    }
    if missing := sorted(wanted - known):
        names = ("machine", "old_state", "new_state")
        rows = [dict(zip(names, row, strict=True)) for row in missing]
        connection.execute(insert(transition), rows)


def _only_adds(current: str, known: Collection[str]) -> bool:
    """Return whether an unknown revision only adds to what this version knows.

    Revisions are numbered; within a thousand each only adds, so that old and new versions work side
    by side on one journal while an upgrade rolls, and while it is rolled back.
    """
    ours = {int(one) // 1000 for one in known}
    return current.isdecimal() and int(current) // 1000 in ours


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
