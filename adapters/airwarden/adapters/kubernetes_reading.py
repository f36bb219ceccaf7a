"""Kubernetes' objects as values: what the official Airflow chart's pods and workloads tell of themselves.

The chart marks each with `tier: airflow`, `component` and `release`. A pod of a single task
(KubernetesExecutor) carries `component: worker` too: it has no workload, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from airwarden.core.kubernetes import Capacity, Pod, Quota, Termination, Workload, WorkloadKind
from airwarden.core.platform import Component

Json = Mapping[str, Any]

#: The annotation by which `kubectl rollout restart` does it: the same value twice is one restart.
RESTARTED = "kubectl.kubernetes.io/restartedAt"

#: Suffixes of Kubernetes' quantities, as factors.
_FACTORS = {
    "": 1.0,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
}


def selector(release: str, component: Component | None = None) -> str:
    """Return the label selector of a release's components, or of one."""
    which = component.value if component else ",".join(sorted(one.value for one in Component))
    parts = ["tier=airflow", f"component in ({which})"]
    return ",".join([*parts, f"release={release}"] if release else parts)


def moment(text: object) -> datetime | None:
    """Read a time of the API; None for none."""
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None


def pod(thing: Json) -> Pod | None:
    """Read a pod; None for one that no workload keeps, or of no component."""
    meta, status = thing["metadata"], thing.get("status") or {}
    owner = _controller(meta)
    component = _component(meta)
    if component is None or owner is None or owner["kind"] not in _KEEPERS:
        return None
    main = _main_container(thing, component)
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    state = main.get("state") or {}
    reason, message = _trouble(status, conditions, state)
    return Pod(
        name=str(meta["name"]),
        uid=str(meta["uid"]),
        component=component,
        workload=_workload_of(meta, owner),
        stable=owner["kind"] == WorkloadKind.STATEFUL_SET,
        phase=str(status.get("phase", "Unknown")),
        reason=reason,
        message=message,
        node=str((thing.get("spec") or {}).get("nodeName", "")),
        ending=bool(meta.get("deletionTimestamp")),
        running="running" in state,
        restarts=int(main.get("restartCount", 0)),
        last_end=_termination(main),
        oom_kills=sum(_was_oom(one) for one in status.get("containerStatuses") or ()),
        created=moment(meta.get("creationTimestamp")),
        scheduled=reached(conditions, "PodScheduled"),
        initialised=reached(conditions, "Initialized"),
        started=moment((state.get("running") or {}).get("startedAt")),
        ready=reached(conditions, "Ready"),
    )


_KEEPERS = ("ReplicaSet", WorkloadKind.STATEFUL_SET.value)


def _controller(meta: Json) -> Json | None:
    owners = meta.get("ownerReferences") or ()
    return next((one for one in owners if one.get("controller")), None)


def _component(meta: Json) -> Component | None:
    try:
        return Component((meta.get("labels") or {}).get("component", ""))
    except ValueError:
        return None


def _workload_of(meta: Json, owner: Json) -> str:
    """Return the workload's name; a ReplicaSet's is its Deployment's and the template's hash."""
    mark = (meta.get("labels") or {}).get("pod-template-hash", "")
    return str(owner["name"]).removesuffix(f"-{mark}") if mark else str(owner["name"])


def _main_container(thing: Json, component: Component) -> Json:
    """Return the status of the container that is the component: the chart gives it that name."""
    statuses = (thing.get("status") or {}).get("containerStatuses") or ()
    named = [one for one in statuses if one["name"] == component.value]
    first = (thing.get("spec") or {}).get("containers") or ({"name": ""},)
    fallback = [one for one in statuses if one["name"] == first[0]["name"]]
    found: Json = next(iter((*named, *fallback)), {})
    return found


def _trouble(status: Json, conditions: Mapping[str, Json], state: Json) -> tuple[str, str]:
    """Return why a pod is no further: of itself, of its scheduling, or of its main container."""
    if status.get("reason"):
        return str(status["reason"]), str(status.get("message", ""))
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason", "")), str(scheduled.get("message", ""))
    for kind in ("waiting", "terminated"):
        if kind in state:
            told = state[kind] or {}
            return str(told.get("reason", "")), str(told.get("message", ""))
    for one in status.get("initContainerStatuses") or ():
        told = (one.get("state") or {}).get("waiting") or {}
        if told.get("reason") not in (None, "PodInitializing"):
            return str(told["reason"]), f"{one['name']}: {told.get('message', '')}"
    return "", ""


def _termination(container: Json) -> Termination | None:
    now = (container.get("state") or {}).get("terminated")
    told = now or (container.get("lastState") or {}).get("terminated")
    if not told:
        return None
    return Termination(
        str(told.get("reason", "")), int(told.get("exitCode", 0)), moment(told.get("finishedAt"))
    )


def _was_oom(container: Json) -> bool:
    ends = (
        ((container.get(kind) or {}).get("terminated") or {}).get("reason")
        for kind in ("state", "lastState")
    )
    return "OOMKilled" in ends


def reached(conditions: Mapping[str, Json], kind: str) -> datetime | None:
    """Return when a condition came to hold; None where it does not."""
    one = conditions.get(kind, {})
    return moment(one.get("lastTransitionTime")) if one.get("status") == "True" else None


def workload(thing: Json, kind: WorkloadKind) -> Workload | None:
    """Read a Deployment or a StatefulSet; None for one of no component."""
    meta, spec, status = thing["metadata"], thing["spec"], thing.get("status") or {}
    component = _component(meta)
    if component is None:
        return None
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    stalled = conditions.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded"
    strategy = spec.get("strategy") or spec.get("updateStrategy") or {}
    marks = ((spec.get("template") or {}).get("metadata") or {}).get("annotations") or {}
    return Workload(
        kind=kind,
        name=str(meta["name"]),
        uid=str(meta["uid"]),
        component=component,
        wanted=int(spec.get("replicas", 1)),
        ready=int(status.get("readyReplicas", 0)),
        updated=int(status.get("updatedReplicas", 0)),
        total=int(status.get("replicas", 0)),
        generation=int(meta.get("generation", 0)),
        observed=int(status.get("observedGeneration", 0)),
        paused=bool(spec.get("paused")),
        deadline_exceeded=stalled,
        strategy=str(strategy.get("type", "RollingUpdate")),
        restarted=str(marks.get(RESTARTED, "")),
        version=str(meta.get("resourceVersion", "")),
    )


def quotas(thing: Json) -> Iterator[Quota]:
    """Read a ResourceQuota."""
    status = thing.get("status") or {}
    for resource, hard in (status.get("hard") or {}).items():
        used = (status.get("used") or {}).get(resource, "0")
        yield Quota(str(thing["metadata"]["name"]), resource, quantity(used), quantity(hard))


def quantity(text: object) -> float:
    """Read a quantity (`500m`, `16Gi`, `1e3`)."""
    word = str(text)
    for cut in (2, 1, 0):
        number, factor = (word[:-cut], word[-cut:]) if cut else (word, "")
        if factor in _FACTORS and number:
            try:
                return float(number) * _FACTORS[factor]
            except ValueError:
                continue
    raise ValueError(f"{word!r} is no quantity")


def targets(thing: Json, workload: Workload) -> bool:
    """Return whether an autoscaler or a ScaledObject scales this workload."""
    target = thing["spec"].get("scaleTargetRef") or {}
    kind = target.get("kind", WorkloadKind.DEPLOYMENT.value)
    return bool(target.get("name") == workload.name and kind == workload.kind.value)


def capacity(thing: Json | None, workload: Workload, *, keda: bool, version: str = "") -> Capacity:
    """Read who scales a workload: a ScaledObject, an autoscaler, or itself where there is none."""
    if thing is None:
        return Capacity(
            workload.name, workload.kind.value, workload.name, workload.wanted, workload.wanted,
            workload.ready, workload.wanted, version,
        )  # fmt: skip
    spec, meta = thing["spec"], thing["metadata"]
    low, high = ("minReplicaCount", "maxReplicaCount") if keda else ("minReplicas", "maxReplicas")
    return Capacity(
        workload=workload.name,
        owner="ScaledObject" if keda else "HorizontalPodAutoscaler",
        owner_name=str(meta["name"]),
        minimum=int(spec.get(low, 0 if keda else 1)),
        maximum=int(spec.get(high, 100 if keda else 1)),
        ready=workload.ready,
        wanted=workload.wanted,
        version=str(meta["resourceVersion"]),
    )
