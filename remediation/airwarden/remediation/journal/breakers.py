"""What the loop shows of the breakers; their storage belongs to `airwarden.remediation.breakers`."""

from __future__ import annotations

from sqlalchemy import select

from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import breaker

_POSITION = {"closed": 0, "half-open": 1, "open": 2}


def positions(tx: Tx) -> dict[tuple[str, str], int]:
    """Return (cluster, breaker) → 0 closed, 1 half-open, 2 open."""
    rows = tx.connection.execute(select(breaker.c.cluster, breaker.c.name, breaker.c.state))
    return {(cluster, name): _POSITION[state] for cluster, name, state in rows}
