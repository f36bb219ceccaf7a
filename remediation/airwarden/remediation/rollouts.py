"""Which workloads an incident names, and what holds up a roll-out of one."""

from __future__ import annotations

from collections.abc import Mapping

from airwarden.core.kubernetes import Kubernetes, Pod, Workload
from airwarden.remediation.components import component_of

#: Characters of what Kubernetes says.
SAID = 200
#: Why a pod is no further that is on its way.
ON_ITS_WAY = ("", "ContainerCreating", "PodInitializing")


def named_workloads(kube: Kubernetes, labels: Mapping[str, str]) -> list[Workload]:
    """Return the workloads that an alert's labels name: by `workload`, else all of its `component`."""
    found = kube.workloads(component_of(labels))
    name = labels.get("workload", "")
    if not name and component_of(labels) is None:
        return []
    return [one for one in found if name in ("", one.name)]


def trouble(pod: Pod) -> str:
    """Say what is wrong with a pod, or how it ended the time before."""
    if pod.trouble:
        return pod.trouble[:SAID]
    return f"last ended: {pod.last_end}" if pod.last_end else pod.phase


def held_up(kube: Kubernetes, workload: Workload) -> str:
    """Say how far a workload's roll-out is, and which pods hold it up and why."""
    waiting = [
        pod
        for pod in kube.pods(workload.component)
        if pod.workload == workload.name and not pod.ending and pod.ready is None
    ]
    waiting.sort(key=lambda pod: pod.reason in ON_ITS_WAY)
    said = [f"{pod.name}: {trouble(pod)}" for pod in waiting[:1]]
    if workload.total < workload.wanted:
        said += [one[:SAID] for one in kube.refusals(workload)[:1]]
    return "; ".join([workload.rollout, *said])
