"""The number of pods on Kubernetes: set to absolute bounds through who scales them. Part of `workers.scale`
and of `replicas.add`.

Where KEDA or an autoscaler owns the number, its maximum is raised, since it would undo everything else; a
Deployment or StatefulSet that nobody scales gets a number of pods. The way back never takes a busy worker
away: a maximum is lowered once no more pods are asked for, pods are let go once they are drained and idle.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.counting import counted
from airwarden.core.errors import ConflictError, NotFoundError
from airwarden.core.kubernetes import Capacity, Kubernetes, Pod, Workload, WorkloadKind
from airwarden.core.platform import Component, Worker
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.fitting import fitting, target
from airwarden.remediation.world import Json, Subject, World

#: What says of an effect that it is one of these.
WORKLOAD = "workload"
#: Characters of what Kubernetes says.
_SAID = 200


def plan(
    action: str, world: World, subject: Subject, parameters: Mapping[str, Any], no_room: str
) -> Plan | Nothing | Refused:
    """Plan more workers for the queue that the labels name, or say why not.

    Args:
        action: Whose effect it is.
        world, subject: See `Action.plan`.
        parameters: `growth`, the share to add.
        no_room: Why the database bears no more, if it does not.
    """
    kube = world.kube
    workload = _serving(world, kube, subject.labels.get("queue", ""))
    if isinstance(workload, Refused):
        return workload
    seen = kube.capacity(workload)
    ceiling = world.fleet.maximum
    evidence: Json = {
        "workload": workload.name, "owner": seen.owner, "minimum": seen.minimum,
        "maximum": seen.maximum, "wanted": seen.wanted, "ready": seen.ready, "ceiling": ceiling,
    }  # fmt: skip
    if seen.elastic and seen.wanted < seen.maximum:
        return Nothing(
            f"{workload.name} asks for {seen.wanted} of at most {seen.maximum} pods: it scales by itself",
            evidence,
        )
    if reason := no_place(kube, workload):
        return Refused(reason, cause="no room for more pods", evidence=evidence)
    if ceiling is None:
        return Refused(
            f"{workload.name} has {seen.maximum} pods at most, and no ceiling is declared up to which "
            "that may be raised (clusters[].workers.max)",
            cause="no ceiling declared",
            evidence=evidence,
        )
    wanted, why = wanted_workers(world, parameters, seen.maximum)
    evidence = {**evidence, **({"load": why} if why else {})}
    if wanted <= seen.maximum and why:
        return Nothing(why, evidence)
    wanted = min(ceiling, wanted)
    if wanted <= seen.maximum:
        return Nothing(f"{seen.maximum} workers may run, and {ceiling} are allowed", evidence)
    if no_room:
        return Refused(no_room, cause="no room in the metadata database", evidence=evidence)
    minimum = seen.minimum if seen.elastic else wanted
    return Plan((bounds_effect(action, world, workload, seen, minimum, wanted),), evidence)


def wanted_workers(world: World, parameters: Mapping[str, Any], now: int) -> tuple[int, str]:
    """Return how many workers there may be, and why if the operator's `auto_scaling:` block decides it.

    Without one it is a share more than now (`growth`, at least one).

    Raises:
        UnavailableError: The block decides, and what the workers did cannot be read.
    """
    if world.scaling is None:
        growth = float(parameters.get("growth", 0.25))
        return now + max(1, math.ceil(now * growth)), ""
    decision = fitting(world, world.scaling, now)
    return target(decision, now), decision.why


def _serving(world: World, kube: Kubernetes, queue: str) -> Workload | Refused:
    """Return the workload whose pods consume from a queue: of several, the one with most of them."""
    workloads = kube.workloads(Component.WORKER)
    if not workloads:
        return Refused("there is no workload of workers", cause="no workers")
    if len(workloads) == 1:
        return workloads[0]
    pods = kube.pods(Component.WORKER)
    serving = [one.hostname for one in _workers(world) if queue in one.queues]
    counts = Counter(pod.workload for pod in pods if any(_is_of(name, pod) for name in serving))
    if not counts:
        names = ", ".join(one.name for one in workloads)
        return Refused(
            f"which of {names} serves queue {queue or 'without a name'} cannot be told: no worker of it "
            "answers",
            cause="unknown workload",
        )
    name = counts.most_common(1)[0][0]
    return next(one for one in workloads if one.name == name)


def _is_of(hostname: str, pod: Pod) -> bool:
    """Whether a worker's node name is that of a pod: `celery@POD`."""
    return hostname.rpartition("@")[2] == pod.name


def _workers(world: World) -> Sequence[Worker]:
    return world.workers.workers() if world.workers is not None else ()


def no_place(kube: Kubernetes, workload: Workload) -> str:
    """Return why further pods would wait like those that wait now, or nothing."""
    if workload.total < workload.wanted:
        said = "".join(f": {one[:_SAID]}" for one in kube.refusals(workload)[:1])
        return f"{workload.name} has {workload.total} of {workload.wanted} pods{said}"
    waiting = [
        pod
        for pod in kube.pods(workload.component)
        if pod.workload == workload.name and pod.reason in ("Unschedulable", "ImagePullBackOff")
    ]
    if waiting:
        return f"{counted(len(waiting), 'pod')} of {workload.name} wait already: {waiting[0].trouble[:_SAID]}"
    return ""


def bounds_effect(
    action: str, world: World, workload: Workload, seen: Capacity, minimum: int, maximum: int
) -> Effect:
    """Return the effect that sets the bounds."""
    bounds = f"up to {maximum} pods" if seen.elastic else f"{maximum} pods"
    return Effect(
        action=action,
        target=f"{world.cluster}/workload/{workload.name}",
        parameters={
            WORKLOAD: workload.name, "kind": workload.kind.value, "minimum": minimum, "maximum": maximum,
        },
        before={"minimum": seen.minimum, "maximum": seen.maximum, "owner": seen.owner},
        summary=f"let {workload.name} have {bounds} (of {seen.maximum})",
        generation=workload.uid,
        removes_capacity=maximum < seen.maximum,
    )  # fmt: skip


def _now(world: World, effect: Effect) -> tuple[Workload, Capacity]:
    """Return the workload and its bounds as they are; raises NotFoundError."""
    kube = world.kube
    kind = WorkloadKind(str(effect.parameters["kind"]))
    workload = kube.workload(kind, str(effect.parameters[WORKLOAD]))
    return workload, kube.capacity(workload)


def _has(seen: Capacity, bounds: Mapping[str, Any]) -> bool:
    return (seen.minimum, seen.maximum) == (bounds["minimum"], bounds["maximum"])


def apply(world: World, effect: Effect) -> Json:
    """Set the bounds.

    Raises:
        ConflictError: It is another workload, was scaled by somebody else, or a pod is busy again.
    """
    name = effect.parameters[WORKLOAD]
    try:
        workload, seen = _now(world, effect)
    except NotFoundError:
        raise ConflictError(f"{name} is gone") from None
    if workload.uid != effect.generation or seen.owner != effect.before["owner"]:
        raise ConflictError(f"{name}, or who scales it, was replaced since it was planned for")
    wanted = effect.parameters
    if not _has(seen, wanted):
        if not _has(seen, effect.before):
            raise ConflictError(f"{name} was scaled by somebody else since it was planned for")
        if effect.removes_capacity:
            _check_free(world, workload, seen, int(wanted["maximum"]))
        world.kube.set_capacity(
            seen, minimum=int(wanted["minimum"]), maximum=int(wanted["maximum"]),
            why=f"Airwarden: {effect.summary}",
        )  # fmt: skip
    return {"minimum": wanted["minimum"], "maximum": wanted["maximum"]}


def read_back(world: World, effect: Effect) -> ReadBack:
    """Compare the bounds with the desired and the earlier ones."""
    try:
        workload, seen = _now(world, effect)
    except NotFoundError:
        return ReadBack.UNDECIDABLE
    if workload.uid != effect.generation or seen.owner != effect.before["owner"]:
        return ReadBack.UNDECIDABLE
    if _has(seen, effect.parameters):
        return ReadBack.DONE
    return ReadBack.NOT_DONE if _has(seen, effect.before) else ReadBack.UNDECIDABLE


def undo(action: str, world: World, effect: Effect) -> tuple[Pod, ...] | Plan | Nothing | Refused:
    """Plan the next stage of the way back: pods to drain first, or the old bounds."""
    name, old = str(effect.parameters[WORKLOAD]), effect.before
    try:
        workload, seen = _now(world, effect)
    except NotFoundError:
        return Nothing(f"{name} is gone")
    if workload.uid != effect.generation or not _has(seen, effect.parameters):
        return Nothing(f"{name} was changed by somebody else: left alone")
    if seen.elastic:
        if _most(workload) > old["maximum"]:
            return Refused(
                f"{name} still has {workload.total} pods, {old['maximum']} are its maximum again: its "
                "autoscaler lets them go when the queue is empty"
            )
    else:
        busy = _in_the_way(world, workload, int(old["maximum"]))
        if isinstance(busy, Refused | tuple):
            return busy
    return Plan((bounds_effect(action, world, workload, seen, old["minimum"], old["maximum"]),))


def _most(workload: Workload) -> int:
    """Return how many pods it has, or will have by what is asked for now."""
    return max(workload.wanted, workload.total)


def _in_the_way(world: World, workload: Workload, kept: int) -> tuple[Pod, ...] | Refused | None:
    """Return the pods to drain, or why it is too early; None once those that go are idle."""
    going = _going(world, workload, kept)
    answering = {
        pod.name: one for pod in going for one in _workers(world) if _is_of(one.hostname, pod)
    }
    silent = [pod.name for pod in going if pod.name not in answering and pod.running]
    if silent:
        return Refused(
            f"{silent[0]} does not answer Celery, so nothing proves it idle",
            cause="worker does not answer",
        )
    if workload.kind is WorkloadKind.STATEFUL_SET:
        taking = tuple(pod for pod in going if pod.name in answering and answering[pod.name].queues)
        if taking:
            return taking
    tasks = sum(one.active + one.reserved for one in answering.values())
    return Refused(f"{workload.name} still works on {counted(tasks, 'task')}") if tasks else None


def _going(world: World, workload: Workload, kept: int) -> list[Pod]:
    """Return the pods that may go: a StatefulSet's highest, any of a Deployment's."""
    pods = [one for one in world.kube.pods(Component.WORKER) if one.workload == workload.name]
    if workload.kind is WorkloadKind.DEPLOYMENT:
        return pods
    return [pod for pod in pods if int(pod.name.rpartition("-")[2]) >= kept]


def _check_free(world: World, workload: Workload, seen: Capacity, kept: int) -> None:
    """Raise ConflictError unless none has to go, or all that go are seen idle twice."""
    if seen.elastic:
        if (pods := _most(workload)) > kept:
            raise ConflictError(f"{workload.name} has more pods by now: {pods}, not {kept}")
        return
    for look in range(2):
        if look and world.clock.wait(1.0):
            raise ConflictError("Airwarden is being stopped: the workers are left as they are")
        if _in_the_way(world, workload, kept) is not None:
            raise ConflictError(f"a pod of {workload.name} is not drained and idle")
