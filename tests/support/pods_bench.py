"""The engine with the shipped playbooks, on the pods of a fake Kubernetes: under the shipped Role, and faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from airwarden.adapters.host_kubernetes import KubernetesHost
from airwarden.adapters.kubernetes import KubernetesNamespace
from airwarden.adapters.kubernetes_api import KubernetesApi
from airwarden.core.platform import Component, HostProcess
from airwarden.remediation.components import HEARTBEATING
from support.kubernetes import FakeCluster
from support.kubernetes.resources import Json
from support.kubernetes.site import Site
from support.platform_bench import CLUSTER, PlatformBench
from support.repository import ROOT

NAMESPACE = "airflow"
_ROLE = ROOT / "deploy/kubernetes/rights/remediator.yaml"


class PodsBench(PlatformBench):
    """Two schedulers that did not start together, and two Celery workers with names that stay.

    Attributes:
        cluster: The fake, for who breaks it.
        at: The namespace, as somebody who may do everything.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cluster = FakeCluster(folder, kubelet=True)
        self.cluster.moment = lambda: f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        kubeconfig = self.cluster.kubeconfig()
        admin = KubernetesApi(kubeconfig)
        admin.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self.at = Site(admin, kubeconfig, NAMESPACE, folder, self.cluster)
        (role,) = (one for one in yaml.safe_load_all(_ROLE.read_text()) if one["kind"] == "Role")
        account = self.at.account_file("airwarden-remediator", role["rules"])
        self.kube = KubernetesNamespace(KubernetesApi(account, timeout=1.0), NAMESPACE)
        self.pods_host = KubernetesHost(self.kube, appear_timeout=0.3)
        self.worlds = {CLUSTER: replace(self.worlds[CLUSTER], host=self.pods_host)}
        self.at.chart("scheduler")
        self.at.chart("worker", 2, stable=True, podManagementPolicy="Parallel")
        self.run(200)
        path = self.at.path("deployments", "airflow-scheduler", "scale")
        admin.patch(path, {"spec": {"replicas": 2}})
        self.run(200)

    def close(self) -> None:
        """Stop everything."""
        super().close()
        self.cluster.stop()

    def supervised(self) -> Sequence[HostProcess]:
        """Return the pods as they are, whatever is broken on the way of others."""
        admin = KubernetesHost(KubernetesNamespace(self.at.api, NAMESPACE))
        found = admin.processes()
        self.beating = {p.name: p.component for p in found if p.component in HEARTBEATING}
        return found

    def turn(self) -> None:
        """One turn; the alerts of what is healed end."""
        super().turn()
        self.end_healed()

    def live(self) -> None:
        """Let what runs show it, unseen by the faults that are made."""
        held = self.cluster.faults.pause()
        try:
            super().live()
        finally:
            self.cluster.faults.resume(held)

    def pods(self, component: Component) -> list[HostProcess]:
        """Return the pods of a component, the oldest first."""
        found = [p for p in self.supervised() if p.component is component]
        return sorted(found, key=lambda p: str(p.started_at))

    def told(self) -> list[Json]:
        """Return the Events that Airwarden has written."""
        every = self.at.items("events")
        return [e for e in every if (e.get("source") or {}).get("component") == "airwarden"]

    def evictions(self) -> list[str]:
        """Return the paths of the evictions that were asked for."""
        return [path for verb, path in self.cluster.faults.requests if path.endswith("/eviction")]
