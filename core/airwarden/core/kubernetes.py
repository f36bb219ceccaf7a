"""What Kubernetes says of the objects that run Airflow, and the port by which it is asked and told.

Pure values; `airwarden.adapters.kubernetes` reads them, `airwarden.adapters.host_kubernetes` makes
processes of the pods for whoever knows hosts only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from airwarden.core.platform import Component


class WorkloadKind(StrEnum):
    """What keeps a component's pods."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or StatefulSet of one component.

    Attributes:
        wanted, ready, updated: Pods that it shall have, that are ready, that are of the newest template.
        total: Pods that it has, old ones included.
        generation, observed: Its wish's number, and the one that its controller has seen.
        paused: A Deployment that takes changes and does not roll them out.
        deadline_exceeded: Its controller has given up waiting for the newest template.
        strategy: How it replaces its pods: `RollingUpdate`, `Recreate` (all at once), `OnDelete` (never).
        restarted: The key of its template's last restart; empty if it never was.
        version: Its resourceVersion, for compare-and-set.
    """

    kind: WorkloadKind
    name: str
    uid: str
    component: Component
    wanted: int
    ready: int = 0
    updated: int = 0
    total: int = 0
    generation: int = 0
    observed: int = 0
    paused: bool = False
    deadline_exceeded: bool = False
    strategy: str = "RollingUpdate"
    restarted: str = ""
    version: str = ""

    @property
    def rolled_out(self) -> bool:
        """Whether every pod is of the newest template, ready, and no other is left."""
        return (
            self.observed >= self.generation
            and not self.paused
            and self.updated == self.total == self.wanted
            and self.ready >= self.wanted
        )

    @property
    def rolling(self) -> bool:
        """Whether a change of it is under way, or stuck: its wish is unseen, or old pods are left."""
        return (
            self.observed < self.generation or self.total > self.updated or self.deadline_exceeded
        )

    @property
    def rollout(self) -> str:
        """Say for people how far it is."""
        if self.paused:
            return f"{self.name} is paused: it takes changes and rolls nothing out"
        if self.rolled_out:
            return f"{self.name} is rolled out: {self.wanted} of {self.wanted} ready"
        why = ", its deadline is over" if self.deadline_exceeded else ""
        return (
            f"{self.name}: {self.updated} of {self.wanted} updated, {self.ready} ready, "
            f"{max(0, self.total - self.updated)} old left{why}"
        )


@dataclass(frozen=True, slots=True)
class Termination:
    """How a container ended. `reason` is Kubernetes' own (`OOMKilled`, `Error`, `Completed`)."""

    reason: str
    exit_code: int
    finished_at: datetime | None = None

    def __str__(self) -> str:
        """Say it for people."""
        return f"{self.reason}, exit code {self.exit_code}"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of a component.

    Attributes:
        uid: This pod, whatever its name.
        workload: What keeps it; empty for one that nothing replaces.
        stable: Whether its successor has the same name (StatefulSet).
        phase: Kubernetes' (`Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`).
        reason: Why it is no further: `Evicted`, `Unschedulable`, `CrashLoopBackOff`, `ImagePullBackOff`.
        message: The same, in Kubernetes' words.
        ending: It is being deleted.
        running: Its main container runs.
        restarts: Of its main container.
        last_end: How the main container's incarnation before this one ended.
        oom_kills: Containers whose last end was for want of memory.
        created, scheduled, initialised, started, ready: When each phase of its start was reached;
            `started` is of the main container as it runs now.
    """

    name: str
    uid: str
    component: Component
    workload: str = ""
    stable: bool = False
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    node: str = ""
    ending: bool = False
    running: bool = False
    restarts: int = 0
    last_end: Termination | None = None
    oom_kills: int = 0
    created: datetime | None = None
    scheduled: datetime | None = None
    initialised: datetime | None = None
    started: datetime | None = None
    ready: datetime | None = None

    @property
    def incarnation(self) -> str:
        """Changes when the pod is replaced, and when its main container is restarted within it."""
        return f"{self.uid}/{self.restarts}"

    @property
    def trouble(self) -> str:
        """Say for people what is wrong with it, or nothing."""
        parts = [self.reason] if self.reason else []
        if self.message and self.message != self.reason:
            parts.append(self.message)
        if self.last_end is not None and not self.running:
            parts.append(f"last ended: {self.last_end}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of one resource of a namespace's quota is used, in base units."""

    name: str
    resource: str
    used: float
    hard: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """Who decides how many pods a workload has, and within which bounds.

    Attributes:
        owner: `ScaledObject`, `HorizontalPodAutoscaler`, or the workload's own kind: then both bounds
            are its replicas.
        version: The owner's, for compare-and-set.
        ready: Pods that are ready now.
    """

    workload: str
    owner: str
    owner_name: str
    minimum: int
    maximum: int
    ready: int
    wanted: int
    version: str

    @property
    def elastic(self) -> bool:
        """Whether the owner scales by itself within its bounds."""
        return self.owner not in (WorkloadKind.DEPLOYMENT.value, WorkloadKind.STATEFUL_SET.value)


class Kubernetes(Protocol):
    """The namespace in which one Airflow platform runs.

    Effects raise `RejectedError` where a disruption budget, a quota or a missing permission forbids
    them, and tell of themselves in an Event on their target.
    """

    def pods(self, component: Component | None = None) -> Sequence[Pod]:
        """Return the components' pods; those of single tasks are left out."""
        ...

    def workloads(self, component: Component | None = None) -> Sequence[Workload]:
        """Return the components' Deployments and StatefulSets."""
        ...

    def quotas(self) -> Sequence[Quota]:
        """Return the namespace's quotas, one entry a resource."""
        ...

    def refusals(self, workload: Workload) -> Sequence[str]:
        """Return why further pods of a workload cannot be created, newest first, from the events of late."""
        ...

    def log_tail(self, pod: Pod, *, lines: int, previous: bool = False) -> str:
        """Return the end of the main container's log, or of its incarnation before."""
        ...

    def evict(self, pod: Pod, *, why: str) -> None:
        """Let exactly this pod go, as far as disruption budgets allow; one that goes already may.

        Raises:
            ConflictError: Another pod has its name by now; nothing was done.
            NotFoundError: It is gone.
        """
        ...

    def restart(self, workload: Workload, *, key: str, why: str) -> Workload:
        """Roll a workload's pods over; the same key again does nothing.

        Raises:
            ConflictError: It was changed since it was seen, or is paused: it would take the change and
                roll nothing out. Nothing was done.
        """
        ...

    def workload(self, kind: WorkloadKind, name: str) -> Workload:
        """Return one workload as it is now; raises NotFoundError."""
        ...

    def capacity(self, workload: Workload) -> Capacity:
        """Return who decides how many pods it has: a ScaledObject, an autoscaler, or itself."""
        ...

    def set_capacity(self, seen: Capacity, *, minimum: int, maximum: int, why: str) -> None:
        """Set the bounds to absolute numbers; of what scales nothing by itself, they must be equal.

        Raises:
            ConflictError: The owner was changed since it was seen; nothing was done.
        """
        ...
