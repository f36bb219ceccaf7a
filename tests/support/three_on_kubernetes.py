"""Three remediators on one PostgreSQL, an Airflow on a fake Kubernetes, the shipped playbooks in quick time.

Each remediator reaches the API server by its own adapter, under the shipped Role, and through whatever faults
the test makes. What lives beats and answers in a thread of its own, which no fault touches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from airwarden.adapters.fakes import FakeAirflow, FakeBroker, FakeWorkers
from airwarden.adapters.host_kubernetes import KubernetesHost
from airwarden.adapters.kubernetes import KubernetesNamespace
from airwarden.adapters.kubernetes_api import KubernetesApi
from airwarden.core.clock import Clock
from airwarden.core.platform import Component
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.journal.memory import JournalBreakers, JournalLedger
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.leadership import LeaseTimes
from airwarden.remediation.notify.pagerduty import PagerDutyComposer
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.playbooks_loader import load_playbooks
from airwarden.remediation.world import WorkerFleet, World
from support.engine import Recorder
from support.kubernetes import FakeCluster
from support.kubernetes.resources import Json
from support.kubernetes.site import Site
from support.remediator import Kit, RealClock, Running
from support.repository import ROOT
from support.small_world import SmallDatabase

NAMESPACE = "airflow"
BOOKS = ("scheduler-restart", "worker-silent", "queue-scale-up", "pods-unwell")
#: Long enough that a busy machine does not lose it.
LEASE = LeaseTimes(ttl=10, renew=1, standby_poll=0.3, self_fence=9)
_ROLE = ROOT / "deploy/kubernetes/rights/remediator.yaml"
_QUICK = {"every": "200ms", "stable": "0s", "after": "1s"}


def quick(book: Playbook) -> Playbook:
    """Return a shipped playbook that does the same and waits less."""

    def hurry(thing: Any) -> Any:
        if isinstance(thing, dict):
            return {key: _QUICK.get(key, hurry(value)) for key, value in thing.items()}
        return [hurry(one) for one in thing] if isinstance(thing, list) else thing

    content = hurry(book.model_dump(mode="json", by_alias=True))
    return Playbook.model_validate(
        {key: value for key, value in content.items() if value or key != "remedies"}
    )


class ThreeOnKubernetes:
    """The platform and its three remediators.

    Attributes:
        cluster: The fake API server, for who breaks it.
        at: The namespace, as somebody who may do everything.
        quiet: Pods that run and do not beat.
        replicas: The remediators that run.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.clock = RealClock()
        self.cluster = FakeCluster(folder, kubelet=True)
        self._ago = 3600.0
        self.cluster.moment = lambda: (
            f"{self.clock.now() - timedelta(seconds=self._ago):%Y-%m-%dT%H:%M:%SZ}"
        )
        kubeconfig = self.cluster.kubeconfig()
        admin = KubernetesApi(kubeconfig)
        admin.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self.at = Site(admin, kubeconfig, NAMESPACE, folder, self.cluster)
        (role,) = (one for one in yaml.safe_load_all(_ROLE.read_text()) if one["kind"] == "Role")
        self._account = self.at.account_file("airwarden-remediator", role["rules"])
        self.airflow, self.workers = FakeAirflow(self.clock), FakeWorkers()
        self.broker, self.database = FakeBroker(), SmallDatabase()
        self.database.answers["connections"] = [{"sessions": 30, "connections_max": 97}]
        self.recorder = Recorder()
        self.quiet: set[str] = set()
        self._jobs: dict[str, tuple[str, int]] = {}
        self._start_platform()
        self._ended = threading.Event()
        self._living = threading.Thread(target=self._live, name="platform", daemon=True)
        self._living.start()
        found = load_playbooks(actions=actions().keys(), checks=checks().keys())
        books = [quick(found.by_name[name].playbook) for name in BOOKS]
        self.replicas = [
            Running(
                url, books=books, lease=LEASE, with_alertmanager=False, recorder=self.recorder,
                kit=self._kit, composed={"pager_composer": PagerDutyComposer("k" * 32)},
            )
            for _ in range(3)
        ]  # fmt: skip

    def _start_platform(self) -> None:
        self.at.chart("scheduler")
        self.at.chart("worker", 2, stable=True, podManagementPolicy="Parallel")
        spec = {
            "scaleTargetRef": {"kind": "StatefulSet", "name": "airflow-worker"},
            "minReplicaCount": 2, "maxReplicaCount": 2, "triggers": [],
        }  # fmt: skip
        self.at.create("scaledobjects", "airflow-worker", spec=spec)
        self.at.pods("airflow-scheduler", 1)
        self._ago = 1800.0
        path = self.at.path("deployments", "airflow-scheduler", "scale")
        self.at.api.patch(path, {"spec": {"replicas": 2}})
        self.at.pods("airflow-scheduler", 2)
        self.beat()
        self._ago = 0.0

    def _kit(self, journal: Journal, clock: Clock) -> Kit:
        kube = KubernetesNamespace(KubernetesApi(self._account, timeout=1.0), NAMESPACE)
        world = World(
            "lab",
            clock,
            airflow=self.airflow,
            database=self.database,
            broker=self.broker,
            workers=self.workers,
            host=KubernetesHost(kube, appear_timeout=0.3),
            kubernetes=kube,
            fleet=WorkerFleet(1, 6),
            breakers=JournalBreakers(journal),
            ledger=JournalLedger(journal),
        )
        return Kit(world, actions(), checks())

    def _live(self) -> None:
        while not self._ended.wait(0.3):
            self.beat()

    def beat(self) -> None:
        """Let what runs beat and answer, unseen by the faults that are made."""
        with self.cluster.store.changed:
            pods = [json_of(one) for one in self.cluster.store.every("pods", NAMESPACE)]
        for pod in pods:
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            component = pod["metadata"]["labels"]["component"]
            started = _started(pod)
            if started is None or pod["metadata"].get("deletionTimestamp"):
                continue
            known, job = self._jobs.get(name, ("", 0))
            if component == Component.WORKER.value:
                if known != uid:
                    self.workers.put(f"celery@{name}")
            elif known != uid:
                job = self.airflow.put_job(Component.SCHEDULER, name).id
                row = self.airflow._jobs[job]
                self.airflow._jobs[job] = replace(row, started_at=started + timedelta(seconds=2))
            elif name in self.quiet:
                row = self.airflow._jobs[job]
                late = self.clock.now() - timedelta(seconds=120)
                self.airflow._jobs[job] = replace(row, latest_heartbeat=late)
            else:
                self.airflow.beat(job)
            self._jobs[name] = (uid, job)

    def oldest(self, app: str) -> Json:
        """Return a workload's pod that has run for longest."""
        return min(self.at.pods(app), key=lambda pod: str(_started(pod)))

    @property
    def leader(self) -> Running:
        """The one that leads."""
        (one,) = (one for one in self.replicas if one.remediator.leadership.leads)
        return one

    def stop_leader(self) -> None:
        """Let the one that leads go."""
        leader = self.leader
        leader.stop()
        self.replicas.remove(leader)

    def states(self) -> dict[str, str]:
        """Return playbook → state of its one incident."""
        found = self.replicas[0].get("/api/v1/incidents")["incidents"]
        return {one["playbook"]: one["state"] for one in found}

    def asked(self, matches: Callable[[str, str], bool]) -> list[tuple[str, str]]:
        """Return the requests that came and match."""
        return [one for one in self.cluster.faults.requests if matches(*one)]

    def close(self) -> None:
        """Stop everything."""
        for one in self.replicas:
            one.stop()
        self._ended.set()
        self._living.join(5)
        self.clock.stop()
        self.cluster.stop()


def json_of(thing: Json) -> Json:
    """Return a copy."""
    copied: Json = yaml.safe_load(yaml.safe_dump(thing))
    return copied


def _started(pod: Json) -> Any:
    from airwarden.adapters.kubernetes_reading import moment

    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        if "running" in one.get("state", {}):
            return moment(one["state"]["running"]["startedAt"])
    return None
