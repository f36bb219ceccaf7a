"""Bringing the schema up to date at start: by one process at a time, all or nothing.

Alembic does it, and is imported only if there is something to do: most starts follow a crash or a
restart, and its import would take a tenth of the time until a fault is in somebody's hands again.
"""

from __future__ import annotations

import fcntl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, insert, inspect, select, table, text

from airwarden.core.errors import WrongInputError
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.states import TRANSITIONS
from airwarden.remediation.journal.connect import Engines
from airwarden.remediation.journal.tables import transition

if TYPE_CHECKING:
    from alembic.config import Config

#: Any fixed number: the key of the transaction lock that migrations take on PostgreSQL.
_LOCK_KEY = 4_157_310_021
_MIGRATIONS = Path(__file__).parent / "migrations"
#: Alembic's own table, of one row.
_VERSION = table("alembic_version", column("version_num"))
_PATIENT = text(
    "SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true),"
    " set_config('idle_in_transaction_session_timeout', '0', true)"
)


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for the revisions that lie beside this file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
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
            # It takes what it takes, another process's too: a journal of years has large tables.
            connection.execute(_PATIENT)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            # A change of a table waits for those who use it, and they would wait behind it.
            connection.execute(text("SELECT set_config('lock_timeout', '10s', true)"))
        current, known = current_revision(connection), revisions()
        if current is not None and current not in known:
            if _only_adds(current, known):
                return
            if inspect(connection).has_table("dag_run"):
                raise WrongInputError(
                    "this is Airflow's own database: Airwarden keeps nothing there",
                    place="remediator.journal",
                    hint="give the journal, or the exporters' lease, a database of its own",
                )
            raise WrongInputError(
                f"the journal's schema is at revision {current}, which this version does not know",
                place="remediator.journal",
                hint="it was written by a newer Airwarden: run that version",
            )
        if current != known[-1]:
            from alembic import command

            command.upgrade(configuration(connection), "head")
        crash_at("mid-migration")
        _allow_transitions(connection)


def revisions() -> list[str]:
    """Return the revisions that this version knows, oldest first, as the files' names tell them."""
    return sorted(path.name[1:5] for path in (_MIGRATIONS / "versions").glob("r[0-9]*_*.py"))


def newest_revision() -> str:
    """Return the revision of the schema that this version works with."""
    return revisions()[-1]


def current_revision(connection: Connection) -> str | None:
    """Return the revision that a database is at, None where it holds no journal."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    found = connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()
    return None if found is None else str(found)


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


@contextmanager
def _file_lock(file: Path | None) -> Iterator[None]:
    if file is None:
        yield
        return
    with file.with_name(file.name + ".migrate").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
