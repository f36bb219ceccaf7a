"""The table `breaker`: each row one breaker that all replicas share, its time and age the journal's."""

from __future__ import annotations

from sqlalchemy import select, update

from airwarden.remediation.journal import audit
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import breaker
from airwarden.remediation.journal.upsert import insert_into
from airwarden.remediation.world import BreakerRecord, BreakerState

_POSITION = {"closed": 0, "half-open": 1, "open": 2}


def split(name: str) -> tuple[str, str]:
    """Return cluster and rest of `CLUSTER/NAME`."""
    cluster, _, rest = name.partition("/")
    return cluster, rest


def positions(tx: Tx) -> dict[tuple[str, str], int]:
    """Return (cluster, breaker) → 0 closed, 1 half-open, 2 open."""
    rows = tx.connection.execute(select(breaker.c.cluster, breaker.c.name, breaker.c.state))
    return {(cluster, name): _POSITION[state] for cluster, name, state in rows}


class TxBreakers:
    """The `BreakerStore` within one transaction of the caller's."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def load(self, name: str) -> BreakerRecord:
        """Return the row of `CLUSTER/NAME`, or a closed one with rev 0 where there is none."""
        cluster, key = split(name)
        query = select(breaker).where(breaker.c.cluster == cluster, breaker.c.name == key)
        row = self._tx.connection.execute(query).mappings().first()
        if row is None:
            return BreakerRecord(name)
        opened = row["opened_at"]
        return BreakerRecord(
            name,
            state=BreakerState(row["state"]),
            opened_at=opened,
            opened_age=(self._tx.now - opened).total_seconds() if opened else None,
            failures=row["window_fail"],
            successes=row["window_ok"],
            probe=row["probe_run_id"],
            rev=row["rev"],
        )

    def change(
        self,
        seen: BreakerRecord,
        *,
        state: BreakerState,
        failures: int = 0,
        successes: int = 0,
        reopened: bool = False,
        probe: int | None = None,
    ) -> bool:
        """Write if `rev` is still the one seen; a change of state is a line of the audit.

        Args:
            seen: The row as it was read.
            state: The new state.
            failures: Consecutive failures.
            successes: Consecutive successes while half-open.
            reopened: Stamp the journal's time.
            probe: The run that a half-open breaker lets through.

        Returns:
            False if another writer came first; nothing was written then.
        """
        values: dict[str, object] = {
            "state": state.value,
            "window_fail": failures,
            "window_ok": successes,
            "probe_run_id": (probe or seen.probe) if state is BreakerState.HALF_OPEN else None,
            "rev": seen.rev + 1,
        }
        if reopened:
            values["opened_at"] = self._tx.now
        if not self._write(seen, values):
            return False
        if state is not seen.state:
            audit.append(
                self._tx,
                actor="airwarden",
                action="breaker",
                object=f"breaker/{seen.name}",
                sentence=f"Breaker {seen.name}: {seen.state.value} → {state.value}.",
                before={"state": seen.state.value, "failures": seen.failures},
                after={"state": state.value, "failures": failures},
            )
        return True

    def _write(self, seen: BreakerRecord, values: dict[str, object]) -> bool:
        cluster, key = split(seen.name)
        if seen.rev == 0:
            born = insert_into(self._tx, breaker).values(cluster=cluster, name=key, **values)
            statement = born.on_conflict_do_nothing().returning(breaker.c.rev)
            # A row count is not promised for an INSERT; what it returns is.
            return self._tx.connection.execute(statement).first() is not None
        done = self._tx.connection.execute(
            update(breaker)
            .where(breaker.c.cluster == cluster, breaker.c.name == key, breaker.c.rev == seen.rev)
            .values(**values)
        )
        return done.rowcount == 1
