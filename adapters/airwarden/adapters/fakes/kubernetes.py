"""A Kubernetes namespace as it is measured, put in by a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.kubernetes import Capacity, Quota, Workload
from airwarden.core.kubernetes_seen import PodNews, PodSeen


class FakeMeasuredKubernetes(Faults):
    """Pods, workloads, autoscalers and quotas that a test puts in.

    Attributes:
        kept: The workloads.
        scaled: Who scales them.
        room: The quotas.
        asked: Verb and status → requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pods: dict[str, PodSeen] = {}
        self._passed: list[PodSeen] | None = None
        self.kept: list[Workload] = []
        self.scaled: list[Capacity] = []
        self.room: list[Quota] = []
        self.asked: dict[tuple[str, str], int] = {}

    def see(self, *versions: PodSeen) -> None:
        """Let pods pass through these versions."""
        for one in versions:
            if one.gone:
                self._pods.pop(one.uid, None)
            else:
                self._pods[one.uid] = one
            if self._passed is not None:
                self._passed.append(one)

    def pods(self) -> PodNews:
        """Return the pods, and the versions since the last call."""
        self._reading()
        first, passed = self._passed is None, self._passed or ()
        self._passed = []
        return PodNews(tuple(self._pods.values()), tuple(passed), first)

    def workloads(self) -> Sequence[Workload]:
        """Return the workloads."""
        self._reading()
        return self.kept

    def capacities(self, workloads: Sequence[Workload]) -> Sequence[Capacity]:
        """Return who scales them."""
        self._reading()
        names = {one.name for one in workloads}
        return [one for one in self.scaled if one.workload in names]

    def quotas(self) -> Sequence[Quota]:
        """Return the quotas."""
        self._reading()
        return self.room

    def requests(self) -> Mapping[tuple[str, str], int]:
        """Return what was asked."""
        return self.asked
