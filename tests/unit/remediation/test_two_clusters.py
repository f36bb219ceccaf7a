"""Two clusters with equal pool, DAG and dependency names: neither touches what is the other's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from airwarden.adapters.fakes.airflow import FakeAirflow
from airwarden.adapters.fakes.probe import FakeProbe
from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.platform import Dag, Pool
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.engine import Engine
from airwarden.remediation.journal import tables
from airwarden.remediation.journal.memory import JournalBreakers, JournalLedger
from airwarden.remediation.playbooks_loader import PlaybookChange, load_playbooks
from airwarden.remediation.switches import stop_everything
from airwarden.remediation.triage import Triage
from airwarden.remediation.work import InlineCrew
from airwarden.remediation.world import BreakerState, Dependency, World
from support.engine import Bench

pytestmark = pytest.mark.thorough

EAST, WEST = "east", "west"
MINUTE = 60.0
BOOK = "dependency-breaker"


class TwoClusters(Bench):
    """One remediator over two Airflows that carry the same names throughout."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"sqlite:///{folder / 'journal.db'}", clusters=(EAST, WEST))
        self.airflows = {name: FakeAirflow(self.clock) for name in (EAST, WEST)}
        self.probes = {name: FakeProbe() for name in (EAST, WEST)}
        for airflow in self.airflows.values():
            airflow.put_pool(Pool("billing", 8))
            airflow.put_dag(Dag("charge", False, ("depends:billing",)))
        self.worlds = {
            name: World(
                name,
                self.clock,
                airflow=self.airflows[name],
                dependencies={
                    "billing": Dependency("billing", pools=("billing",), probe=self.probes[name])
                },
                breakers=JournalBreakers(self.journal),
                ledger=JournalLedger(self.journal),
            )
            for name in (EAST, WEST)
        }
        self.playbooks = load_playbooks(
            actions=actions().keys(),
            checks=checks().keys(),
            ceiling=Mode.AUTO,
            changes={BOOK: PlaybookChange(mode=Mode.AUTO)},
        )
        self.parts = replace(self.parts, actions=actions(), checks=checks())
        triage = Triage(
            self.journal, lambda: self.playbooks, lambda: self.worlds, actions(), self.telemetry
        )
        self.engine = Engine(self.parts, triage, InlineCrew(self.clock), self.clock)

    def down(self, cluster: str) -> Alert:
        """The dependency of one cluster is down, and its alert fires."""
        self.probes[cluster].up = False
        labels = {
            "alertname": "AirflowDependencyDown",
            "severity": "critical",
            "cluster": cluster,
            "dependency": "billing",
        }
        text = repr(sorted(labels.items())).encode()
        one = Alert(
            fingerprint=hashlib.sha256(text).hexdigest()[:16],
            status=AlertStatus.FIRING,
            starts_at=self.clock.now(),
            labels=labels,
            annotations={"summary": "billing is down"},
        )
        self.alertmanager.shown.append(one)
        self.deliver(one)
        return one

    def up(self, one: Alert) -> None:
        """It answers again, and its alert ends."""
        self.probes[one.cluster].up = True
        self.clear(one)

    def slots(self, cluster: str) -> int:
        pools = self.airflows[cluster].pools()
        return next(pool.slots for pool in pools if pool.name == "billing")

    def breaker(self, cluster: str) -> BreakerState:
        return JournalBreakers(self.journal).load(f"{cluster}/billing").state

    def clusters_in(self, table: str) -> set[str]:
        """The clusters that the rows of a table speak of."""
        with self.journal.read() as tx:
            column = getattr(tables, table).c.cluster
            return set(tx.connection.execute(select(column)).scalars())


@pytest.fixture
def both(memory_path: Path) -> Iterator[TwoClusters]:
    bench = TwoClusters(memory_path)
    yield bench
    bench.close()


def test_an_outage_in_one_cluster_leaves_everything_of_the_other_alone(both: TwoClusters) -> None:
    both.down(EAST)
    both.run(3 * MINUTE)
    assert (both.slots(EAST), both.slots(WEST)) == (1, 8)
    assert both.airflows[EAST].dag("charge").is_paused
    assert both.airflows[WEST].effects == []
    assert (both.breaker(EAST), both.breaker(WEST)) == (BreakerState.OPEN, BreakerState.CLOSED)
    for table in ("incident", "run", "attempt", "target_lock", "breaker"):
        assert both.clusters_in(table) == {EAST}, table
    assert WEST not in both.clusters_in("budget")


def test_two_outages_at_once_are_two_incidents_with_locks_and_budgets_of_their_own(
    both: TwoClusters,
) -> None:
    east, _west = both.down(EAST), both.down(WEST)
    both.run(3 * MINUTE)
    assert sorted(one.cluster for one in both.incidents()) == [EAST, WEST]
    assert (both.slots(EAST), both.slots(WEST)) == (1, 1)
    assert both.clusters_in("target_lock") == {EAST, WEST}
    with both.journal.read() as tx:
        c = tables.budget.c
        per_book = tx.connection.execute(
            select(c.cluster, c.used).where(c.scope == f"playbook/{BOOK}/hour")
        ).all()
    assert sorted(tuple(row) for row in per_book) == [(EAST, 2), (WEST, 2)]

    both.up(east)
    both.run(40 * MINUTE)
    states = {one.cluster: one.state for one in both.incidents()}
    assert states[EAST] is IncidentState.RESOLVED
    assert states[WEST] is not IncidentState.RESOLVED
    assert (both.slots(EAST), both.slots(WEST)) == (8, 1)
    assert not both.airflows[EAST].dag("charge").is_paused
    assert both.airflows[WEST].dag("charge").is_paused
    assert (both.breaker(EAST), both.breaker(WEST)) == (BreakerState.CLOSED, BreakerState.OPEN)


def test_a_stop_of_one_cluster_does_not_stop_the_other(both: TwoClusters) -> None:
    with both.journal.write() as tx:
        stop_everything(tx, set_by="ada", reason="work on it", cluster=WEST)
    both.down(EAST)
    both.down(WEST)
    both.run(3 * MINUTE)
    assert (both.slots(EAST), both.slots(WEST)) == (1, 8)
    assert both.airflows[WEST].effects == []
