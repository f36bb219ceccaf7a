"""Checks that tell whoever is called what Kubernetes says of the pods. They confirm and verify nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.components import Component
from airwarden.core.counting import counted
from airwarden.core.errors import AirwardenError
from airwarden.core.kubernetes import Pod
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.world import Subject, World

#: Named one by one; the rest is counted.
_NAMED = 3
#: Characters of what Kubernetes says.
_SAID = 200
_NO_KUBERNETES = "no Kubernetes is configured"
#: Why a pod is no further that is on its way.
_ON_ITS_WAY = ("", "ContainerCreating", "PodInitializing")


def component_of(subject: Subject) -> Component | None:
    """Return the component that an incident is about; None for all of them, or for tasks."""
    try:
        return Component(subject.labels.get("component", ""))
    except ValueError:
        return None


class PodsInTrouble:
    """True where a pod of the component that the labels name crashes, waits, or was killed or let go."""

    name = "pods-in-trouble"
    needs = frozenset({"kubernetes"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read the pods; say how each ended last, or why it is no further."""
        del parameters
        if world.kubernetes is None:
            return Reading(Verdict.UNKNOWN, _NO_KUBERNETES)
        try:
            pods = world.kubernetes.pods(component_of(subject))
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, f"the pods cannot be read: {error}")
        ill = [pod for pod in pods if _ill(pod)]
        if not ill:
            return Reading(Verdict.FALSE, f"none of {counted(len(pods), 'pod')} is in trouble")
        evidence = {pod.name: trouble(pod) for pod in ill[:20]}
        return Reading(Verdict.TRUE, _some(ill), evidence)


class PodsRefused:
    """True where pods that are asked for cannot be created; the event says why."""

    name = "pods-refused"
    needs = frozenset({"kubernetes"})

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read how many each workload wants and has, and what refuses the others."""
        del parameters
        if world.kubernetes is None:
            return Reading(Verdict.UNKNOWN, _NO_KUBERNETES)
        try:
            short = [
                one
                for one in world.kubernetes.workloads(component_of(subject))
                if one.total < one.wanted
            ]
            said = [refusal for one in short for refusal in world.kubernetes.refusals(one)[:1]]
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, f"workloads and events cannot be read: {error}")
        if not short:
            return Reading(Verdict.FALSE, "every workload has the pods that it asks for")
        names = ", ".join(f"{one.name} has {one.total} of {one.wanted} pods" for one in short)
        why = f": {said[0][:_SAID]}" if said else ", and no event says why"
        return Reading(Verdict.TRUE, f"{names}{why}", {"refused": said})


def _ill(pod: Pod) -> bool:
    if pod.ending:
        return False
    return pod.reason not in _ON_ITS_WAY or pod.phase == "Failed" or bool(pod.oom_kills)


def trouble(pod: Pod) -> str:
    """Say what is wrong with a pod, or how it ended the time before."""
    if pod.trouble:
        return pod.trouble[:_SAID]
    return f"last ended: {pod.last_end}" if pod.last_end else pod.phase


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
