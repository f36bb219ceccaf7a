"""What is measured of an Airflow on Kubernetes: every version of every pod, and who scales what.

Pure values and the port that gives them; `airwarden.adapters.kubernetes_following` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airwarden.core.components import Component
from airwarden.core.kubernetes import Capacity, Quota, Workload

#: The `component` of a pod in which one task runs (KubernetesExecutor, KubernetesPodOperator).
TASK = "task"
#: The `component` of a pod of the chart that is none of those below.
OTHER = "other"
#: What the official chart's label `component` may say.
COMPONENTS = frozenset(
    {one.value for one in Component}
    | {"webserver", "flower", "pgbouncer", "redis", "statsd", "git-sync", "cleanup", TASK, OTHER}
)

#: Who let a pod go that had not ended: words of ours for Kubernetes' reasons.
EVICTIONS: Mapping[str, str] = {
    "Evicted": "node_pressure",
    "TerminationByKubelet": "node_pressure",
    "PreemptionByScheduler": "preempted",
    "DeletionByTaintManager": "node_lost",
    "DeletionByPodGC": "node_lost",
    "NodeLost": "node_lost",
    "EvictionByEvictionAPI": "api",
}
#: Why a pod is no further, as it is counted; whatever else Kubernetes says is `other`.
WAITS = frozenset(
    {
        "ContainerCreating", "CrashLoopBackOff", "CreateContainerConfigError",
        "CreateContainerError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName",
        "PodInitializing", "RunContainerError", "SchedulingGated", "Unschedulable",
    }
)  # fmt: skip
#: How a container ended, as it is counted; whatever else Kubernetes says is `other`.
ENDS = frozenset(
    {
        "Completed", "ContainerCannotRun", "ContainerStatusUnknown", "DeadlineExceeded", "Error",
        "OOMKilled", "StartError",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ContainerEnd:
    """One end of one container: which, when, and Kubernetes' reason."""

    container: str
    finished: str
    reason: str


@dataclass(frozen=True, slots=True)
class PodSeen:
    """One version of a pod.

    Attributes:
        component: One of `COMPONENTS`.
        phase: Kubernetes' (`Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`).
        waits: Why it is no further, one of `WAITS` or `other`; empty for one that runs or has ended.
        evicted: A value of `EVICTIONS`; empty for one that nobody let go.
        restarts: Of all its containers.
        ends: The ends of its containers that it still tells of.
        ending: It is being deleted.
        gone: It was deleted: this is how it was last.
        created, scheduled, initialised, started, ready: When each phase of its start was reached;
            `started` is of the main container, while that has never been restarted.
    """

    uid: str
    component: str
    phase: str = "Pending"
    waits: str = ""
    evicted: str = ""
    restarts: int = 0
    ends: frozenset[ContainerEnd] = frozenset()
    ending: bool = False
    gone: bool = False
    created: datetime | None = None
    scheduled: datetime | None = None
    initialised: datetime | None = None
    started: datetime | None = None
    ready: datetime | None = None


@dataclass(frozen=True, slots=True)
class PodNews:
    """What became of the pods since the last time.

    Attributes:
        now: The pods that are there.
        passed: Every version that was seen since, oldest first, the last of deleted pods included.
        first: Nothing is known of what was before: `passed` is empty.
    """

    now: Sequence[PodSeen]
    passed: Sequence[PodSeen] = ()
    first: bool = False


class MeasuredKubernetes(Protocol):
    """The namespace in which one Airflow platform runs, as it is measured."""

    def pods(self) -> PodNews:
        """Return the pods, those of tasks too, and what became of them since the last call.

        Raises:
            UnavailableError: They cannot be followed now; nothing that passed is lost by it.
        """
        ...

    def workloads(self) -> Sequence[Workload]:
        """Return the components' Deployments and StatefulSets."""
        ...

    def capacities(self, workloads: Sequence[Workload]) -> Sequence[Capacity]:
        """Return who scales which of these; those that nobody scales are left out."""
        ...

    def quotas(self) -> Sequence[Quota]:
        """Return the namespace's quotas, one entry a resource."""
        ...

    def requests(self) -> Mapping[tuple[str, str], int]:
        """Return verb and status (`lost` without an answer) → requests to the API so far."""
        ...
