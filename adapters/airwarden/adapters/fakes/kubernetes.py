"""A Kubernetes namespace, as it is measured and as it is acted on, put in by a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.components import Component
from airwarden.core.errors import ConflictError, NotFoundError
from airwarden.core.kubernetes import Capacity, Pod, Quota, Workload, WorkloadKind
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


class FakeKubernetes(Faults):
    """A namespace that a test fills: pods, workloads, and who scales them.

    Attributes:
        kept: Workloads by name.
        there: Pods.
        owners: Workload → its ScaledObject or autoscaler; one that is missing scales itself.
        refused: What refuses further pods.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Workload] = {}
        self.there: list[Pod] = []
        self.owners: dict[str, Capacity] = {}
        self.refused: list[str] = []

    def pods(self, component: Component | None = None) -> Sequence[Pod]:
        """Return the pods of a component."""
        self._reading()
        return [one for one in self.there if component in (None, one.component)]

    def workloads(self, component: Component | None = None) -> Sequence[Workload]:
        """Return the workloads of a component."""
        self._reading()
        return [one for one in self.kept.values() if component in (None, one.component)]

    def workload(self, kind: WorkloadKind, name: str) -> Workload:
        """Return one workload; raises NotFoundError."""
        self._reading()
        if name not in self.kept or self.kept[name].kind is not kind:
            raise NotFoundError(f"there is no {kind} {name}")
        return self.kept[name]

    def quotas(self) -> Sequence[Quota]:
        """Return no quota."""
        self._reading()
        return ()

    def refusals(self, workload: Workload) -> Sequence[str]:
        """Return what refuses further pods."""
        self._reading()
        del workload
        return self.refused

    def log_tail(self, pod: Pod, *, lines: int, previous: bool = False) -> str:
        """Return nothing."""
        del pod, lines, previous
        self._reading()
        return ""

    def evict(self, pod: Pod, *, why: str) -> None:
        """Let exactly this pod go."""
        del why
        now = next((one for one in self.there if one.name == pod.name), None)
        if now is None:
            raise NotFoundError(f"there is no pod {pod.name}")
        if now.uid != pod.uid:
            raise ConflictError(f"{pod.name} is another one")
        with self._effecting("evict", pod.name):
            self.there.remove(now)

    def restart(self, workload: Workload, *, key: str, why: str) -> Workload:
        """Roll it over, and be done with it; the same key again does nothing."""
        del why
        now = self.kept.get(workload.name)
        if now is None:
            raise NotFoundError(f"there is no {workload.kind} {workload.name}")
        changed = (now.uid, now.generation) != (workload.uid, workload.generation)
        if now.paused or (changed and now.restarted != key):
            raise ConflictError(f"{workload.name} is paused, or was changed since it was read")
        if now.restarted != key:
            with self._effecting("restart", workload.name, key):
                done = now.generation + 1
                self.kept[now.name] = replace(now, restarted=key, generation=done, observed=done)
        return self.kept[now.name]

    def capacity(self, workload: Workload) -> Capacity:
        """Return who decides how many pods it has."""
        self._reading()
        now = self.kept[workload.name]
        owner = self.owners.get(workload.name)
        if owner is not None:
            return replace(owner, wanted=now.wanted, ready=now.ready)
        return Capacity(
            now.name, now.kind.value, now.name, now.wanted, now.wanted, now.ready, now.wanted, "1"
        )

    def set_capacity(self, seen: Capacity, *, minimum: int, maximum: int, why: str) -> None:
        """Set the bounds; of what scales nothing by itself, the number of pods."""
        del why
        with self._effecting("scale", seen.workload, minimum, maximum):
            if seen.elastic:
                owner = self.owners[seen.workload]
                self.owners[seen.workload] = replace(owner, minimum=minimum, maximum=maximum)
            else:
                now = self.kept[seen.workload]
                self.kept[seen.workload] = replace(now, wanted=minimum)
