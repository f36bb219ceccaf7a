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
from support.crashing import Process, make_world, read_world
from support.engine import Bench, Machine, alert, webhook
from support.eventually import eventually
from support.remediator import API_TOKEN, WEBHOOK_TOKEN, Running

#: Long enough that a busy machine does not lose it, short enough to wait for.
LEASE = LeaseTimes(ttl=6, renew=1.5, standby_poll=0.3, self_fence=5.5)


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


def test_the_same_webhook_to_every_replica_at_once_is_one_run(replicas: list[Running]) -> None:
    machine = replicas[0].machine
    machine.healthy = False
    body = webhook(alert(starts=datetime.now(UTC)))
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: replicas[n % 2].webhook(body), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["new"] for answer in answers) == 1
    eventually(lambda: resolved(replicas[0]), within=60, every=0.2)
    assert machine.restarts == 1


@pytest.mark.reliability
def test_a_leader_that_stops_cleanly_is_followed_at_once(replicas: list[Running]) -> None:
    eventually(lambda: len(leaders(replicas)) == 1, within=15)
    old = leaders(replicas)[0]
    heir = next(one for one in replicas if one is not old)
    old.stop()
    eventually(lambda: heir.remediator.leadership.leads, within=5)
    replicas.remove(old)
    heir.machine.healthy = False
    assert heir.webhook(webhook(alert(starts=datetime.now(UTC)))).status_code == 200
    eventually(lambda: resolved(heir), within=60, every=0.2)


def post(port: int) -> None:
    httpx.post(
        f"http://127.0.0.1:{port}/api/v1/alerts",
        content=webhook(alert(starts=datetime.now(UTC))),
        headers={"Authorization": f"Bearer {WEBHOOK_TOKEN}"},
        timeout=30,
        trust_env=False,
    ).raise_for_status()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        process.signal(signal.SIGCONT)
        process.stop()


@pytest.mark.reliability
@pytest.mark.timeout(240)
@pytest.mark.parametrize("point", ["after-intent", "after-effect"])
def test_a_leader_killed_in_the_middle_is_followed_with_one_effect(
    tmp_path: Path, postgresql_url: str, processes: list[Process], point: str
) -> None:
    make_world(tmp_path)
    first = Process(tmp_path, postgresql_url, crash_at=point)
    processes.append(first)
    port = first.port
    second = Process(tmp_path, postgresql_url)
    processes.append(second)
    heir = second.port
    post(port)
    assert first.wait_dead(within=60) == -signal.SIGKILL
    _wait_resolved(heir)
    assert (tmp_path / "effects.log").read_text().splitlines() == ["restart"]
    assert read_world(tmp_path)["healthy"]


@pytest.mark.reliability
@pytest.mark.timeout(240)
def test_a_leader_that_froze_does_nothing_when_it_wakes(
    tmp_path: Path, postgresql_url: str, processes: list[Process]
) -> None:
    make_world(tmp_path, healthy=True)
    first = Process(tmp_path, postgresql_url)
    processes.append(first)
    assert first.port
    second = Process(tmp_path, postgresql_url)
    processes.append(second)
    heir = second.port
    first.signal(signal.SIGSTOP)
    make_world(tmp_path)
    post(heir)
    _wait_resolved(heir)
    first.signal(signal.SIGCONT)
    answer = httpx.get(f"http://127.0.0.1:{heir}/metrics", timeout=30, trust_env=False)
    assert 'airwarden_remediator_leader{cluster="lab"} 1.0' in answer.text
    assert (tmp_path / "effects.log").read_text().splitlines() == ["restart"]


def _wait_resolved(port: int) -> None:
    def look() -> bool:
        answer = httpx.get(
            f"http://127.0.0.1:{port}/api/v1/incidents",
            headers={"Authorization": f"Bearer {API_TOKEN}"},
            timeout=30,
            trust_env=False,
        )
        return [one["state"] for one in answer.json()["incidents"]] == ["RESOLVED"]

    eventually(look, within=120, every=0.3, what="the incident is resolved")
