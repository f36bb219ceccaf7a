"""What actions may ask of the journal: shared breakers, and what was done before."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select, update

from airwarden.remediation.decide.states import AttemptState
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.journal.tables import attempt, breaker
from airwarden.remediation.journal.upsert import insert_into
from airwarden.remediation.world import BreakerRecord, BreakerState

#: An attempt in one of these states is known to have changed nothing.
_WITHOUT_EFFECT = (AttemptState.NOT_DONE, AttemptState.FAILED)


def _parts(name: str) -> tuple[str, str]:
    cluster, _, rest = name.partition("/")
    return cluster, rest


class JournalBreakers:
    """The `BreakerStore` over the table `breaker`; time and age are the journal's."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def load(self, name: str) -> BreakerRecord:
        """Return the row of `CLUSTER/NAME`, or a closed one with rev 0 where there is none."""
        cluster, key = _parts(name)
        query = select(breaker).where(breaker.c.cluster == cluster, breaker.c.name == key)
        with self._journal.read() as tx:
            row = tx.connection.execute(query).mappings().first()
            if row is None:
                return BreakerRecord(name)
            opened = row["opened_at"]
            return BreakerRecord(
                name,
                state=BreakerState(row["state"]),
                opened_at=opened,
                opened_age=(tx.now - opened).total_seconds() if opened else None,
                failures=row["window_fail"],
                successes=row["window_ok"],
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
    ) -> bool:
        """Write if `rev` is still the one seen; returns False if another writer came first."""
        cluster, key = _parts(seen.name)
        values: dict[str, object] = {
            "state": state.value,
            "window_fail": failures,
            "window_ok": successes,
            "rev": seen.rev + 1,
        }
        with self._journal.write() as tx:
            if reopened:
                values["opened_at"] = tx.now
            if seen.rev == 0:
                born = insert_into(tx, breaker).values(cluster=cluster, name=key, **values)
                statement = born.on_conflict_do_nothing().returning(breaker.c.rev)
                # A row count is not promised for an INSERT; what it returns is.
                return tx.connection.execute(statement).first() is not None
            done = tx.connection.execute(
                update(breaker)
                .where(
                    breaker.c.cluster == cluster,
                    breaker.c.name == key,
                    breaker.c.rev == seen.rev,
                )
                .values(**values)
            )
            return done.rowcount == 1


class JournalLedger:
    """The `Ledger` over the table `attempt`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def count(self, action: str, target: str, *, within: float) -> int:
        """Return how often `action` was begun on `target` in the last `within` seconds."""
        with self._journal.read() as tx:
            query = select(func.count()).where(
                attempt.c.cluster == _parts(target)[0],
                attempt.c.target == target,
                attempt.c.action == action,
                attempt.c.created_at > tx.now - timedelta(seconds=within),
                attempt.c.state.not_in(_WITHOUT_EFFECT),
            )
            return int(tx.connection.execute(query).scalar_one())
