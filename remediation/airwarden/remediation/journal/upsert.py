"""INSERT ... ON CONFLICT for whichever database the transaction runs on."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from airwarden.remediation.journal.store import Tx

Upsert = postgresql.Insert | sqlite.Insert


def insert_into(tx: Tx, table: Table) -> Upsert:
    """Return the dialect's INSERT, which knows `on_conflict_do_update` and `excluded`."""
    return insert_on(table, postgres=tx.postgresql)


def insert_on(table: Table, *, postgres: bool) -> Upsert:
    """Return the INSERT of a dialect, for statements that are made once and used often."""
    return postgresql.insert(table) if postgres else sqlite.insert(table)
