"""The shipped playbooks from alert to end, with production's times, on the shipped fakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import DatabaseSession
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.journal.memory import JournalBreakers
from airwarden.remediation.playbook import WaitStep
from airwarden.remediation.playbooks_loader import PlaybookChange, load_playbooks
from airwarden.remediation.world import BreakerState
from support.memory_path import memory_path
from support.platform_bench import CLUSTER, PlatformBench

__all__ = ["memory_path"]

MINUTE = 60.0


@pytest.fixture
def bench(memory_path: Path) -> Iterator[PlatformBench]:
    bench = PlatformBench(memory_path)
    bench.run(120)
    yield bench
    bench.close()


def breaker(bench: PlatformBench, name: str) -> BreakerState:
    return JournalBreakers(bench.journal).load(f"{CLUSTER}/{name}").state


def slots(bench: PlatformBench, pool: str = "billing") -> int:
    return next(p.slots for p in bench.airflow.pools() if p.name == pool)


def ended_well(bench: PlatformBench) -> None:
    assert bench.incident.state is IncidentState.RESOLVED, bench.story()


def test_a_frozen_scheduler_is_restarted_once_and_nobody_is_paged(bench: PlatformBench) -> None:
    bench.host.freeze("scheduler")
    bench.shout("AirflowSchedulerProcessDown", component="scheduler", process="scheduler")
    bench.run(8 * MINUTE)
    ended_well(bench)
    assert [e for e in bench.host.effects if e[0] == "restart"] == [("restart", "scheduler")]
    assert bench.paged() == []
    assert len(bench.recorder.messages) == 1


def test_both_alerts_of_one_dead_scheduler_are_one_incident_and_one_restart(
    bench: PlatformBench,
) -> None:
    bench.host.freeze("scheduler")
    bench.shout("AirflowSchedulerProcessDown", component="scheduler", process="scheduler")
    bench.run(20)
    bench.shout(
        "AirflowSchedulerHeartbeatLost", component="scheduler", hostname="scheduler", job_id="1"
    )
    bench.run(8 * MINUTE)
    assert len(bench.incidents()) == 1
    assert len([e for e in bench.host.effects if e[0] == "restart"]) == 1


def test_a_scheduler_that_its_supervisor_restarted_is_not_restarted_again(
    bench: PlatformBench,
) -> None:
    bench.host.exit("scheduler")
    bench.run(1)
    bench.host.respawn("scheduler")
    bench.run(60)
    bench.shout(
        "AirflowSchedulerHeartbeatLost", component="scheduler", hostname="scheduler", job_id="1"
    )
    bench.run(8 * MINUTE)
    ended_well(bench)
    assert bench.host.effects == []
    assert bench.paged() == []


def test_a_slow_database_with_all_schedulers_late_gets_one_page_and_no_restart(
    bench: PlatformBench,
) -> None:
    bench.quiet = {"scheduler", "scheduler2", "triggerer", "dag_processor"}
    bench.database.seconds = 2.5
    bench.run(60)
    bench.shout("AirflowSchedulerHeartbeatLost", component="scheduler", hostname="scheduler")
    bench.run(5 * MINUTE)
    assert bench.host.effects == []
    assert bench.incident.state is IncidentState.ESCALATED
    (page,) = bench.paged()
    assert "metadata database slow" in page.summary


def test_shadow_says_what_it_would_do_and_does_nothing(memory_path: Path) -> None:
    bench = PlatformBench(memory_path, mode=Mode.SHADOW)
    bench.run(60)
    bench.host.freeze("scheduler")
    bench.shout("AirflowSchedulerProcessDown", component="scheduler", process="scheduler")
    bench.run(8 * MINUTE)
    assert bench.host.effects == []
    assert any("would have done: restart scheduler" in line for line in bench.story())
    assert len(bench.paged()) == 1
    bench.close()


def flood(bench: PlatformBench) -> None:
    bench.broker.put("default", 500)
    for number in range(2):
        bench.workers.put(f"worker_{number}@box", active=4, reserved=4)
    bench.shout("AirflowTaskQueueDepthHigh", severity="warning", component="queue", queue="default")


def test_a_deep_queue_gets_a_worker_that_is_drained_before_it_is_stopped(
    bench: PlatformBench,
) -> None:
    flood(bench)
    bench.run(3 * MINUTE)
    assert bench.done() == ["start worker workers:worker_2"]
    bench.workers.put("worker_2@box", active=3)
    bench.broker.put("default", 0)
    bench.run(7 * MINUTE)
    assert bench.done()[1:] == ["drain worker workers:worker_2"]
    assert ("stop", "workers:worker_2") not in bench.host.effects
    bench.workers.put("worker_2@box", queues=(), active=0)
    bench.run(5 * MINUTE)
    ended_well(bench)
    assert bench.done()[2:] == ["stop worker workers:worker_2"]
    assert len([e for e in bench.host.effects if e[0] == "stop"]) == 1


@pytest.mark.reliability
def test_added_workers_have_a_longest_time_though_the_queue_is_still_deep(
    bench: PlatformBench,
) -> None:
    shipped = bench.playbooks.by_name["queue-scale-up"].playbook.steps[1]
    assert isinstance(shipped, WaitStep)
    assert shipped.wait.parameters == {"longest": 7200}
    steps = {"drained": {"parameters": {"longest": 600}, "every": "30s"}}
    sooner = PlaybookChange(mode=Mode.AUTO, changes={"steps": steps})
    bench.playbooks = load_playbooks(
        actions=actions().keys(),
        checks=checks().keys(),
        ceiling=Mode.AUTO,
        changes={"queue-scale-up": sooner},
    )
    flood(bench)
    bench.run(3 * MINUTE)
    bench.workers.put("worker_2@box", active=4)
    bench.run(6 * MINUTE)
    assert bench.done() == ["start worker workers:worker_2"]
    assert bench.paged() == []
    bench.workers.put("worker_2@box", active=0)
    bench.run(20 * MINUTE)
    assert bench.done()[1:] == [
        "drain worker workers:worker_2",
        "stop worker workers:worker_2",
    ]
    assert bench.incident.state is IncidentState.ESCALATED
    assert "500 tasks wait in queue default" in bench.incident.reason
    assert len(bench.paged()) == 1


def test_capacity_stays_while_another_incident_is_open(bench: PlatformBench) -> None:
    flood(bench)
    bench.run(3 * MINUTE)
    bench.broker.put("default", 0)
    bench.shout("AirflowTeamDagFailureRateHigh", severity="warning", team="growth")
    bench.run(10 * MINUTE)
    assert [e for e in bench.host.effects if e[0] == "stop"] == []


def dependency_down(bench: PlatformBench) -> None:
    bench.probe.up = False
    bench.shout("AirflowDependencyDown", component="dependency", dependency="billing")
    bench.run(60)


def canary_ends(bench: PlatformBench, state: str = "success") -> None:
    (run,) = (r for r in bench.airflow.dag_runs("billing_canary") if r.state == "queued")
    bench.airflow.put_run(replace(run, state=state))


def test_a_dependencys_breaker_opens_waits_tests_and_ramps(bench: PlatformBench) -> None:
    dependency_down(bench)
    assert bench.done() == [
        "open breaker billing",
        "pause DAG billing_charge",
        "pause DAG billing_sync",
        "hold pool billing at 1 (of 8)",
    ]
    assert breaker(bench, "billing") is BreakerState.OPEN
    bench.run(10 * MINUTE)
    assert len(bench.done()) == 4

    bench.put_failed("billing_sync", started=True)
    (lost,) = bench.put_failed("billing_charge", started=True)
    bench.probe.up = True
    bench.run(60)
    assert len(bench.airflow.dag_runs("billing_canary")) == 1
    assert slots(bench) == 1
    canary_ends(bench)
    bench.run(60)
    assert not bench.airflow.dag("billing_sync").is_paused
    assert slots(bench) == 2
    bench.run(12 * MINUTE)
    ended_well(bench)
    assert slots(bench) == 8
    assert breaker(bench, "billing") is BreakerState.CLOSED
    cleared = [e for e in bench.airflow.effects if e[0] == "clear"]
    assert [effect[1].dag_id for effect in cleared] == ["billing_sync"]  # type: ignore[attr-defined]
    assert bench.airflow.task_instance(lost).state == "failed"


def test_a_ramp_takes_its_time(bench: PlatformBench) -> None:
    dependency_down(bench)
    bench.probe.up = True
    bench.run(40)
    canary_ends(bench)
    seen: list[tuple[int, timedelta]] = []
    begun = bench.clock.now()
    for _ in range(120):
        bench.run(5)
        if not seen or slots(bench) != seen[-1][0]:
            seen.append((slots(bench), bench.clock.now() - begun))
    assert [number for number, _ in seen] == [1, 2, 4, 8]
    gaps = [later - earlier for (_, earlier), (_, later) in pairwise(seen[1:])]
    assert all(gap >= timedelta(seconds=115) for gap in gaps)


def test_a_canary_that_fails_keeps_the_hold(bench: PlatformBench) -> None:
    dependency_down(bench)
    bench.probe.up = True
    bench.run(60)
    canary_ends(bench, "failed")
    bench.run(20 * MINUTE)
    assert slots(bench) == 1
    assert bench.incident.state is IncidentState.ESCALATED
    assert len(bench.paged()) == 1


def session(pid: int, application: str, state: str, age: float, bench: PlatformBench) -> None:
    began = bench.clock.now() - timedelta(seconds=age)
    bench.database.open_sessions.append(
        DatabaseSession(
            pid,
            began,
            began if "transaction" in state else None,
            state,
            age,
            application,
            "airflow",
            holds_scheduler_lock="transaction" in state,
        )
    )


def test_the_session_on_the_schedulers_lock_is_ended_and_its_owner_paged(
    bench: PlatformBench,
) -> None:
    session(7, "leaky-etl", "idle in transaction", 90, bench)
    session(8, "", "idle", 90, bench)
    bench.shout("AirflowSchedulerLockHeld", component="database", application="leaky-etl")
    bench.run(6 * MINUTE)
    ended_well(bench)
    assert bench.database.ended == [7]
    (page,) = {page.dedup_key: page for page in bench.paged()}.values()
    assert "leaky-etl" in page.summary


def test_a_broker_outage_is_paged_held_and_released(bench: PlatformBench) -> None:
    bench.broker.break_with(UnavailableError("connection refused"))
    bench.workers.break_with(UnavailableError("connection refused"))
    bench.shout("AirflowBrokerDown", component="broker", kind="redis")
    bench.run(60)
    assert len(bench.paged()) == 1
    assert (slots(bench), slots(bench, "default_pool")) == (1, 1)
    assert breaker(bench, "broker") is BreakerState.OPEN
    (lost,) = bench.put_failed("billing_charge", started=False)
    bench.broker.break_with(None)
    bench.workers.break_with(None)
    bench.run(6 * MINUTE)
    ended_well(bench)
    assert (slots(bench), slots(bench, "default_pool")) == (8, 128)
    assert bench.airflow.task_instance(lost).state is None
    assert breaker(bench, "broker") is BreakerState.CLOSED


def test_a_silent_worker_is_restarted_when_its_last_task_is_done(bench: PlatformBench) -> None:
    bench.workers.put("worker_1@box", queues=(), active=1)
    bench.shout(
        "AirflowWorkerSilent", severity="warning", component="worker", hostname="worker_1@box"
    )
    bench.run(3 * MINUTE)
    assert bench.host.effects == []
    bench.workers.put("worker_1@box", queues=(), active=0)
    bench.run(6 * MINUTE)
    ended_well(bench)
    assert bench.host.effects == [("restart", "workers:worker_1")]


def test_a_teams_burst_is_one_page_to_that_team_and_nothing_is_done(bench: PlatformBench) -> None:
    bench.shout("AirflowTeamDagFailureRateHigh", severity="warning", team="growth")
    bench.run(10 * MINUTE)
    assert [page.dedup_key for page in bench.paged()] == [bench.incident.dedup_key]
    assert "growth" in bench.paged()[0].summary
    assert bench.host.effects == bench.airflow.effects == []


def test_a_lost_reply_is_read_back_and_not_repeated(bench: PlatformBench) -> None:
    bench.airflow.lose_next_reply()
    dependency_down(bench)
    bench.run(60)
    paused = [e for e in bench.airflow.effects if e[0] == "set_paused"]
    assert paused == [("set_paused", "billing_charge", True), ("set_paused", "billing_sync", True)]
    assert slots(bench) == 1


def test_a_lost_request_is_sent_once_more(bench: PlatformBench) -> None:
    bench.host.freeze("triggerer")
    bench.host.lose_next_request()
    bench.shout("AirflowTriggererDown", component="triggerer", process="triggerer")
    bench.run(9 * MINUTE)
    ended_well(bench)
    assert bench.host.effects == [("restart", "triggerer")]
