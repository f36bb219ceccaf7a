"""What actions may ask of the journal: shared breakers, and what was done before."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import func, select

from airwarden.remediation.decide.states import AttemptState
from airwarden.remediation.journal.breakers import TxBreakers, split
from airwarden.remediation.journal.runs import load_effect
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.journal.tables import attempt
from airwarden.remediation.world import Begun, BreakerRecord, BreakerState

#: An attempt in one of these states is known to have changed nothing.
_WITHOUT_EFFECT = (AttemptState.NOT_DONE, AttemptState.FAILED)


class JournalBreakers:
    """The `BreakerStore` over the table `breaker`; time and age are the journal's."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def load(self, name: str) -> BreakerRecord:
        """Return the row of `CLUSTER/NAME`, or a closed one with rev 0 where there is none."""
        with self._journal.read() as tx:
            return TxBreakers(tx).load(name)

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
        with self._journal.write() as tx:
            return TxBreakers(tx).change(
                seen, state=state, failures=failures, successes=successes, reopened=reopened
            )


class JournalLedger:
    """The `Ledger` over the table `attempt`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def count(self, action: str, target: str, *, within: float) -> int:
        """Return how often `action` was begun on `target` in the last `within` seconds."""
        with self._journal.read() as tx:
            query = select(func.count()).where(
                attempt.c.cluster == split(target)[0],
                attempt.c.target == target,
                attempt.c.action == action,
                attempt.c.created_at > tx.now - timedelta(seconds=within),
                attempt.c.state.not_in(_WITHOUT_EFFECT),
            )
            return int(tx.connection.execute(query).scalar_one())

    def begun(self, cluster: str, actions: Collection[str], *, within: float) -> Sequence[Begun]:
        """Return what these actions have begun in the last `within` seconds, oldest first."""
        with self._journal.read() as tx:
            query = (
                select(attempt.c.request_json, attempt.c.created_at)
                .where(
                    attempt.c.cluster == cluster,
                    attempt.c.action.in_(actions),
                    attempt.c.created_at > tx.now - timedelta(seconds=within),
                    attempt.c.state.not_in(_WITHOUT_EFFECT),
                )
                .order_by(attempt.c.id)
            )
            rows = tx.connection.execute(query).all()
            found = [(load_effect(json.loads(request)), at) for request, at in rows]
            return [
                Begun((tx.now - at).total_seconds(), one.parameters, one.before)
                for one, at in found
            ]
