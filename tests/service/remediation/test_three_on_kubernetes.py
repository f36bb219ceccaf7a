"""Three remediators on PostgreSQL heal an Airflow on Kubernetes, whatever its API does, and restart nothing in vain.

`make test` has one of them, with lost replies; all of the faults are in `make reliability`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.engine import alert, webhook
from support.eventually import eventually, holds_for
from support.kubernetes import Fault
from support.kubernetes import kubelet as status
from support.kubernetes.store import now
from support.three_on_kubernetes import ThreeOnKubernetes

pytestmark = pytest.mark.timeout(240)
reliability = pytest.mark.reliability
EVICTION, SCALER = "/eviction", "/scaledobjects/"


@pytest.fixture
def three(tmp_path: Path, postgresql_url: str) -> Iterator[ThreeOnKubernetes]:
    made = ThreeOnKubernetes(tmp_path, postgresql_url)
    eventually(
        lambda: [r.remediator.leadership.leads for r in made.replicas].count(True) == 1, within=30
    )
    yield made
    made.close()


def fire(three: ThreeOnKubernetes, name: str, **labels: str) -> None:
    wanted = {"alertname": name, "severity": "critical", "cluster": "lab", **labels}
    body = webhook(replace(alert(starts=datetime.now(UTC)), labels=wanted))
    for one in three.replicas:  # as Alertmanager does: to each of them
        assert one.webhook(body).status_code == 200


def resolved(three: ThreeOnKubernetes, playbook: str) -> None:
    eventually(lambda: three.states().get(playbook) == "RESOLVED", within=90, every=0.3)


FAULTS = {
    "nothing": [],
    "overloaded": [Fault(status=429, retry_after=1, times=4)],
    "unavailable": [Fault("POST", EVICTION, status=503)],
    "lost replies": [Fault("POST", EVICTION, drop="after"), Fault("PATCH", SCALER, drop="after")],
    "half a minute": [Fault("GET", "/pods", delay=30.0, times=3)],
}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(one, marks=[] if one == "lost replies" else reliability) for one in FAULTS],
)
def test_a_hung_scheduler_is_replaced_once(three: ThreeOnKubernetes, fault: str) -> None:
    old = three.oldest("airflow-scheduler")["metadata"]
    three.quiet.add(old["name"])
    three.beat()
    for one in FAULTS[fault]:
        three.cluster.break_with(
            Fault(one.method, one.path, one.status, one.retry_after, one.delay, one.drop, one.times)
        )
    fire(three, "AirflowSchedulerHeartbeatLost", component="scheduler")
    if fault == "nothing":
        three.stop_leader()  # and another one goes on with it
    resolved(three, "scheduler-restart")

    now_there = {pod["metadata"]["uid"] for pod in three.at.pods("airflow-scheduler", 2)}
    assert old["uid"] not in now_there
    done = three.asked(lambda verb, path: verb == "POST" and path.endswith(EVICTION))
    assert len({path for _, path in done}) == 1
    assert len(done) == (2 if fault == "unavailable" else 1)


@reliability
def test_a_silent_worker_is_replaced_once_it_is_idle(three: ThreeOnKubernetes) -> None:
    old = three.oldest("airflow-worker")["metadata"]
    three.workers.put(f"celery@{old['name']}", queues=(), active=1)
    fire(three, "AirflowWorkerSilent", component="worker", hostname=f"celery@{old['name']}")
    holds_for(lambda: old["uid"] in uids(three, "airflow-worker"), seconds=2)
    three.workers.put(f"celery@{old['name']}", queues=())
    resolved(three, "worker-silent")

    assert old["uid"] not in uids(three, "airflow-worker")


def uids(three: ThreeOnKubernetes, app: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in three.at.pods(app)}


@reliability
@pytest.mark.parametrize(
    "faults",
    [[], [Fault("PATCH", SCALER, status=409)], [Fault("PATCH", SCALER, drop="after")]],
    ids=["nothing", "conflict", "lost reply"],
)
def test_a_shortage_of_workers_is_met_by_the_owner_and_given_back(
    three: ThreeOnKubernetes, faults: list[Fault]
) -> None:
    for one in faults:
        three.cluster.break_with(Fault(one.method, one.path, one.status, drop=one.drop))
    three.broker.put("default", 400)
    fire(three, "AirflowTaskQueueDepthHigh", component="queue", queue="default")

    def most() -> int:
        return int(three.at.get("scaledobjects", "airflow-worker")["spec"]["maxReplicaCount"])

    eventually(lambda: most() == 3, within=60, every=0.2)
    three.broker.put("default", 0)
    eventually(lambda: most() == 2, within=60, every=0.2)
    resolved(three, "queue-scale-up")
    told = [e for e in three.at.items("events") if e.get("reason") == "AirwardenScaled"]
    assert {e["involvedObject"]["name"] for e in told} == {"airflow-worker"}


def pages(three: ThreeOnKubernetes) -> dict[str, str]:
    """Return the pages by their key: what each says."""
    return {one.dedup_key: repr(one) for one in three.recorder.events if one.action == "trigger"}


def quiet_effects(three: ThreeOnKubernetes) -> list[tuple[str, str]]:
    return three.asked(
        lambda verb, path: (
            (verb == "POST" and path.endswith(EVICTION))
            or (verb == "PATCH" and "/events/" not in path)
        )
    )


@reliability
def test_a_crash_loop_gets_no_restart_and_one_page_with_its_last_end(
    three: ThreeOnKubernetes,
) -> None:
    for pod in three.at.pods("airflow-scheduler"):
        three.at.tell(pod, status.crash_loop(pod, now(), reason="OOMKilled", code=137, restarts=7))
    begun = len(quiet_effects(three))
    fire(three, "AirflowPodsCrashLooping", component="scheduler")
    eventually(lambda: len(pages(three)) == 1, within=60)

    (page,) = pages(three).values()
    assert "CrashLoopBackOff" in page
    assert "last ended: OOMKilled, exit code 137" in page
    holds_for(lambda: len(pages(three)) == 1 and len(quiet_effects(three)) == begun, seconds=3)


@reliability
def test_pods_without_quota_get_no_restart_and_one_page_with_the_event(
    three: ThreeOnKubernetes,
) -> None:
    there = len(three.at.items("pods"))
    three.at.create("resourcequotas", "room", spec={"hard": {"pods": str(there)}})
    path = three.at.path("deployments", "airflow-scheduler", "scale")
    three.at.api.patch(path, {"spec": {"replicas": 4}})
    begun = len(quiet_effects(three))
    fire(three, "AirflowPodsMissing", component="scheduler", workload="airflow-scheduler")
    eventually(lambda: len(pages(three)) == 1, within=60)

    (page,) = pages(three).values()
    assert "airflow-scheduler has 2 of 4 pods" in page
    assert "exceeded quota: room" in page
    holds_for(lambda: len(pages(three)) == 1 and len(quiet_effects(three)) == begun, seconds=3)
