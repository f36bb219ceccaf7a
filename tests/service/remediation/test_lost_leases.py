"""What can happen to clocks, to the lease and to its database: never two leaders, never an early one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.remediation.leadership import LeaseTimes
from support.eventually import eventually, holds_for
from support.failover import Replicas
from support.postgres import FreshDatabase, PostgresServer

#: As in production, at a third of the time.
LEASE = LeaseTimes(ttl=10, renew=1.5, standby_poll=0.3, self_fence=9)

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that may be stopped."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.mark.parametrize("step", [3600, -3600])
def test_standbys_whose_clocks_are_wrong_take_no_lease_early_and_none_late(
    tmp_path: Path, fresh_database: FreshDatabase, step: float
) -> None:
    replicas = Replicas(tmp_path, fresh_database(), lease=LEASE, clock_step=step)
    try:
        holds_for(
            lambda: replicas.holder() in (0, replicas.leader.pid),
            seconds=8,
            what="nobody takes the lease of a living leader",
        )
        assert replicas.database.execute("SELECT token FROM lease") == [(1,)]
        replicas.leader.signal(signal.SIGKILL)
        eventually(lambda: replicas.holder() not in (0, replicas.leader.pid), within=12)
    finally:
        replicas.close()


def test_a_lease_whose_row_is_deleted_stays_the_leaders(
    tmp_path: Path, fresh_database: FreshDatabase
) -> None:
    replicas = Replicas(tmp_path, fresh_database(), lease=LEASE)
    try:
        replicas.database.execute("DELETE FROM lease")
        eventually(lambda: replicas.holder() != 0, within=15, what="somebody leads")
        assert replicas.holder() == replicas.leader.pid
        assert replicas.database.execute("SELECT token FROM lease") == [(2,)]
        replicas.break_world()
        assert replicas.standbys[0].fire() == 200
        replicas.wait_resolved()
        assert replicas.effects() == 1
    finally:
        replicas.close()


def test_after_a_crash_of_the_database_one_leads_and_acts_once(
    tmp_path: Path, own_server: PostgresServer
) -> None:
    database = own_server.fresh()
    replicas = Replicas(tmp_path, database, lease=LEASE)
    try:
        replicas.break_world()
        own_server.halt()
        eventually(lambda: not replicas.leader.leads, within=20, what="the leader stops by itself")
        assert replicas.effects_outside() == 0
        own_server.resume()
        eventually(lambda: replicas.holder() != 0, within=30, what="somebody leads again")
        eventually(lambda: replicas.standbys[0].fire() == 200, within=30)
        replicas.wait_resolved()
        assert replicas.effects() == 1
    finally:
        replicas.close()
        own_server.drop(database)


def test_a_database_that_turns_read_only_has_no_leader(
    tmp_path: Path, own_server: PostgresServer
) -> None:
    database = own_server.fresh()
    replicas = Replicas(tmp_path, database, lease=LEASE)
    try:
        replicas.break_world()
        own_server.configure("default_transaction_read_only", "on")
        everybody = (replicas.leader, *replicas.standbys)
        eventually(lambda: not any(one.leads for one in everybody), within=20, what="no leader")
        assert replicas.standbys[0].fire() == 503
        assert replicas.effects_outside() == 0
        own_server.configure("default_transaction_read_only", "off")
        eventually(lambda: replicas.standbys[0].fire() == 200, within=30)
        replicas.wait_resolved()
        assert replicas.effects() == 1
    finally:
        replicas.close()
        own_server.drop(database)
