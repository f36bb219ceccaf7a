"""What keeps and scales the pods on Kubernetes: replicas, roll-outs, autoscalers' bounds, quotas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airwarden.core.errors import AirwardenError
from airwarden.core.kubernetes import Capacity, Quota, Workload
from airwarden.core.kubernetes_seen import MeasuredKubernetes
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.families import Family, Labels, foreign_counter, gauge

#: Workloads, autoscalers and entries of quotas that are told apart.
MOST = 500


class KubernetesWorkloadsCollector:
    """Lists the Deployments and StatefulSets, then who scales them, then the quotas."""

    name = "kubernetes_workloads"
    interval = 15.0
    timeout = 20.0

    def __init__(self, kubernetes: MeasuredKubernetes) -> None:
        self._kubernetes = kubernetes

    def collect(self) -> Sequence[Family]:
        """Return them all; what may be read is told where something else may not."""
        families = [self._requests()]
        try:
            workloads = self._kubernetes.workloads()
            families += _replicas(workloads)
            families += _quotas(self._kubernetes.quotas())
            families += _bounds(workloads, self._kubernetes.capacities(workloads))
        except AirwardenError as error:
            raise PartialCollectError([self._requests(), *families[1:]], error) from error
        return [self._requests(), *families[1:]]

    def _requests(self) -> Family:
        told: dict[Labels, float] = dict(self._kubernetes.requests().items())
        return foreign_counter("airwarden_k8s_api_requests_total", told)


def _replicas(workloads: Sequence[Workload]) -> Iterator[Family]:
    replicas: dict[Labels, float] = {}
    rolling: dict[Labels, float] = {}
    for one in workloads[:MOST]:
        place = (one.component.value, one.name)
        replicas[*place, "wanted"] = one.wanted
        replicas[*place, "existing"] = one.total
        replicas[*place, "ready"] = one.ready
        replicas[*place, "updated"] = one.updated
        rolling[place] = int(one.rolling)
    yield gauge("airwarden_workload_replicas", replicas)
    yield gauge("airwarden_workload_rolling", rolling)


def _bounds(workloads: Sequence[Workload], capacities: Sequence[Capacity]) -> Iterator[Family]:
    components = {one.name: one.component.value for one in workloads}
    bounds: dict[Labels, float] = {}
    for one in capacities[:MOST]:
        place = (components[one.workload], one.workload, one.owner)
        bounds[*place, "minimum"] = one.minimum
        bounds[*place, "maximum"] = one.maximum
        bounds[*place, "wanted"] = one.wanted
    yield gauge("airwarden_scaler_replicas", bounds)


def _quotas(quotas: Sequence[Quota]) -> Iterator[Family]:
    kept = quotas[:MOST]
    yield gauge("airwarden_quota_used", {(one.name, one.resource): one.used for one in kept})
    yield gauge("airwarden_quota_limit", {(one.name, one.resource): one.hard for one in kept})
