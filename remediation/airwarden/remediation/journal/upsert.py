"""INSERT ... ON CONFLICT for whichever database the transaction runs on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, Text, bindparam, column, func, select
from sqlalchemy.dialects import postgresql, sqlite

from airwarden.remediation.journal.store import Tx

Upsert = postgresql.Insert | sqlite.Insert

#: The rows of `insert_many` on PostgreSQL.
_ROWS = "rows"


def insert_into(tx: Tx, table: Table) -> Upsert:
    """Return the dialect's INSERT, which knows `on_conflict_do_update` and `excluded`."""
    return insert_on(table, postgres=tx.postgresql)


def insert_on(table: Table, *, postgres: bool) -> Upsert:
    """Return the INSERT of a dialect, for statements that are made once and used often."""
    return postgresql.insert(table) if postgres else sqlite.insert(table)


def insert_many(table: Table, names: Sequence[str], *, postgres: bool) -> Upsert:
    """Return the INSERT of these columns of many rows, for `write_many`.

    SQLite runs one prepared statement for each row. PostgreSQL would parse and plan it for each (through
    PgBouncer nothing stays prepared), so it gets all rows as one JSON document in one statement.
    """
    if not postgres:
        return sqlite.insert(table).values({name: bindparam(name) for name in names})
    document = postgresql.insert(table)
    rows = (
        func.json_to_recordset(bindparam(_ROWS, type_=Text).cast(postgresql.JSON))
        .table_valued(*(column(name, table.c[name].type) for name in names))
        .render_derived(with_types=True)
    )
    return document.from_select(list(names), select(*(rows.c[name] for name in names)))


def write_many(tx: Tx, statement: Upsert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows by a statement of `insert_many`; no two of them may be the same row of the table."""
    if not rows:
        return
    if tx.postgresql:
        body = json.dumps(list(rows), default=lambda moment: moment.isoformat())
        tx.connection.execute(statement, {_ROWS: body})
    else:
        tx.connection.execute(statement, list(rows))
