"""Checks on what Kubernetes says of pods and workloads: for whoever is called, and of a roll-out's end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.counting import counted
from airwarden.core.kubernetes import Pod
from airwarden.remediation.checks.base import Reading, Verdict, unknown_if
from airwarden.remediation.components import component_of
from airwarden.remediation.rollouts import ON_ITS_WAY, SAID, held_up, named_workloads, trouble
from airwarden.remediation.world import Subject, World

#: Named one by one; the rest is counted.
_NAMED = 3


class PodsInTrouble:
    """True where a pod of the component that the labels name crashes, waits, or was killed or let go."""

    name = "pods-in-trouble"
    needs = frozenset({"kubernetes"})

    @unknown_if("the pods cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read the pods; say how each ended last, or why it is no further."""
        del parameters
        pods = world.kube.pods(component_of(subject.labels))
        ill = [pod for pod in pods if _ill(pod)]
        if not ill:
            return Reading(Verdict.FALSE, f"none of {counted(len(pods), 'pod')} is in trouble")
        evidence = {pod.name: trouble(pod) for pod in ill[:20]}
        return Reading(Verdict.TRUE, _some(ill), evidence)


class PodsRefused:
    """True where pods that are asked for cannot be created; the event says why."""

    name = "pods-refused"
    needs = frozenset({"kubernetes"})

    @unknown_if("workloads and events cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read how many each workload wants and has, and what refuses the others."""
        del parameters
        short = [
            one
            for one in world.kube.workloads(component_of(subject.labels))
            if one.total < one.wanted
        ]
        said = [refusal for one in short for refusal in world.kube.refusals(one)[:1]]
        if not short:
            return Reading(Verdict.FALSE, "every workload has the pods that it asks for")
        names = ", ".join(f"{one.name} has {one.total} of {one.wanted} pods" for one in short)
        why = f": {said[0][:SAID]}" if said else ", and no event says why"
        return Reading(Verdict.TRUE, f"{names}{why}", {"refused": said})


class WorkloadRolledOut:
    """True where all pods of the workload that the labels name are of its newest template, and ready.

    The label `workload` names one, `component` all of its workloads. What is not rolled out yet is told
    with the pods that hold it up and why.
    """

    name = "workload-rolled-out"
    needs = frozenset({"kubernetes"})

    @unknown_if("workloads and pods cannot be read")
    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read generations and pods."""
        del parameters
        found = named_workloads(world.kube, subject.labels)
        rest = [held_up(world.kube, one) for one in found if not one.rolled_out]
        if not found:
            return Reading(Verdict.UNKNOWN, "the labels name no workload")
        if rest:
            return Reading(Verdict.FALSE, "; ".join(rest), {"rollout": rest})
        return Reading(Verdict.TRUE, "; ".join(one.rollout for one in found))


def _ill(pod: Pod) -> bool:
    if pod.ending:
        return False
    return pod.reason not in ON_ITS_WAY or pod.phase == "Failed" or bool(pod.oom_kills)


def _some(pods: Sequence[Pod]) -> str:
    """Say of each pod what it is, and of pods with the same trouble only how many they are."""
    groups = Counter(trouble(pod) for pod in pods)
    parts = []
    for said, count in groups.most_common(_NAMED):
        first = next(pod.name for pod in pods if trouble(pod) == said)
        others = f" and {counted(count - 1, 'other')}" if count > 1 else ""
        parts.append(f"{first}{others}: {said}")
    more = len(groups) - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")
