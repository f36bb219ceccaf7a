"""INSERT ... ON CONFLICT for whichever database the transaction runs on."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from airwarden.remediation.journal.store import Tx


def insert_into(tx: Tx, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return the dialect's INSERT, which knows `on_conflict_do_update` and `excluded`."""
    return postgresql.insert(table) if tx.postgresql else sqlite.insert(table)
