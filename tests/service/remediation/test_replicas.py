"""Several remediators on one PostgreSQL journal: one leads, another takes over, nothing is done twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.leadership import LeaseTimes
from support.crashing import fault_alert
from support.engine import Bench, Machine, alert, webhook
from support.eventually import eventually
from support.failover import Replicas
from support.postgres import FreshDatabase
from support.remediator import WEBHOOK_TOKEN, Running

#: Long enough that a busy machine does not lose it, short enough to wait for.
LEASE = LeaseTimes(ttl=10, renew=1, standby_poll=0.3, self_fence=9)


def test_the_engine_heals_on_postgresql_as_on_sqlite(postgresql_url: str) -> None:
    bench = Bench(postgresql_url)
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED
    assert [a.state for a in bench.attempts()] == [AttemptState.CONFIRMED]
    bench.close()


@pytest.fixture
def replicas(postgresql_url: str) -> Iterator[list[Running]]:
    machine = Machine()
    started = [
        Running(postgresql_url, machine=machine, lease=LEASE, with_alertmanager=False)
        for _ in range(2)
    ]
    yield started
    for one in started:
        one.stop()


def leaders(replicas: list[Running]) -> list[Running]:
    return [one for one in replicas if one.remediator.leadership.leads]


def resolved(running: Running) -> bool:
    found = running.get("/api/v1/incidents")["incidents"]
    return [one["state"] for one in found] == ["RESOLVED"]


@pytest.mark.reliability
def test_one_leads_and_a_standby_answers(replicas: list[Running]) -> None:
    eventually(lambda: len(leaders(replicas)) == 1, within=15)
    standby = next(one for one in replicas if one not in leaders(replicas))
    assert standby.get("/api/v1/incidents") == {"incidents": []}
    assert standby.metrics()['airwarden_remediator_leader{cluster="lab"}'] == 0


@pytest.mark.reliability
def test_a_leader_that_stops_cleanly_is_followed_at_once(replicas: list[Running]) -> None:
    eventually(lambda: len(leaders(replicas)) == 1, within=15)
    old = leaders(replicas)[0]
    heir = next(one for one in replicas if one is not old)
    old.stop()
    eventually(lambda: heir.remediator.leadership.leads, within=3, promised=True)
    replicas.remove(old)
    heir.machine.healthy = False
    assert heir.webhook(webhook(alert(starts=datetime.now(UTC)))).status_code == 200
    eventually(lambda: resolved(heir), within=60, every=0.2)


def at_once(ports: list[int], body: bytes, times: int) -> list[httpx.Response | None]:
    """Deliver the same body to the replicas in turn, all at the same time."""

    def post(number: int) -> httpx.Response | None:
        try:
            return httpx.post(
                f"http://127.0.0.1:{ports[number % len(ports)]}/api/v1/alerts",
                content=body,
                headers={"Authorization": f"Bearer {WEBHOOK_TOKEN}"},
                timeout=30,
                trust_env=False,
            )
        except httpx.TransportError:
            return None

    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(post, range(times)))


@pytest.mark.timeout(120)
def test_the_same_webhook_to_three_replicas_is_one_run_though_the_leader_dies_of_it(
    tmp_path: Path, fresh_database: FreshDatabase
) -> None:
    replicas = Replicas(tmp_path, fresh_database(), lease=LEASE, crash_at="after-effect")
    try:
        replicas.break_world()
        body = webhook(fault_alert(replicas.action))
        ports = [replicas.leader.port, *(one.port for one in replicas.standbys)]
        answers = at_once(ports, body, 100)
        assert {one.status_code for one in answers if one is not None} == {200}
        assert sum(bool(one and one.json()["new"]) for one in answers) <= 1
        assert replicas.leader.wait_dead(within=60) == -signal.SIGKILL
        replicas.wait_resolved()
        assert replicas.effects() == 1
        runs = replicas.database.execute("SELECT count(*), max(claim_token) FROM run")
        assert runs == [(1, 2)]
        seen = replicas.database.execute("SELECT count(*), max(seen) FROM inbox")[0]
        assert seen[0] == 1
        assert seen[1] >= sum(one is not None for one in answers)
    finally:
        replicas.close()


@pytest.mark.reliability
@pytest.mark.timeout(240)
@pytest.mark.parametrize("point", ["after-intent", "after-effect", "after-result"])
def test_a_leader_killed_in_the_middle_is_followed_with_one_effect(
    tmp_path: Path, fresh_database: FreshDatabase, point: str
) -> None:
    replicas = Replicas(tmp_path, fresh_database(), crash_at=point)
    try:
        replicas.break_world()
        replicas.leader.fire()
        assert replicas.leader.wait_dead(within=60) == -signal.SIGKILL
        replicas.wait_resolved()
        assert replicas.effects() == 1
    finally:
        replicas.close()
