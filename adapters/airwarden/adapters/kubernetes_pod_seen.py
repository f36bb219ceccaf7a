"""A version of a pod as a value, whatever it belongs to: the chart's components, and tasks.

Tasks are known by the labels that Airflow's own pod launcher gives them, `dag_id` and `task_id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airwarden.adapters.kubernetes_reading import moment, reached
from airwarden.core.kubernetes_seen import (
    COMPONENTS,
    EVICTIONS,
    OTHER,
    TASK,
    WAITS,
    ContainerEnd,
    PodSeen,
)

Json = Mapping[str, Any]

_OVER = ("Succeeded", "Failed")


def pod_seen(thing: Json, *, release: str = "", gone: bool = False) -> PodSeen | None:
    """Read a pod; None for one that is neither a task's nor of the chart, or of another release."""
    meta, status = thing["metadata"], thing.get("status") or {}
    component = _component(meta.get("labels") or {}, release)
    if component is None:
        return None
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    containers = list(_containers(status))
    phase = str(status.get("phase", "Unknown"))
    restarts = sum(int(one.get("restartCount", 0)) for one in containers)
    main: Json = next(iter(status.get("containerStatuses") or ()), {})
    fresh = not int(main.get("restartCount", 0))
    running = (main.get("state") or {}).get("running") or {}
    return PodSeen(
        uid=str(meta["uid"]),
        component=component,
        phase=phase,
        waits="" if phase in _OVER else _waits(containers, conditions),
        evicted=_evicted(status, conditions),
        restarts=restarts,
        ends=frozenset(end for one in containers for end in _ends(one)),
        ending=bool(meta.get("deletionTimestamp")),
        gone=gone,
        created=moment(meta.get("creationTimestamp")),
        scheduled=reached(conditions, "PodScheduled"),
        initialised=reached(conditions, "Initialized"),
        started=moment(running.get("startedAt")) if fresh else None,
        ready=reached(conditions, "Ready"),
    )


def _component(labels: Json, release: str) -> str | None:
    """Return what a pod is of."""
    if "dag_id" in labels and "task_id" in labels:
        return TASK
    if labels.get("tier") != "airflow" or (release and labels.get("release") != release):
        return None
    if "kubernetes_executor" in labels:
        return TASK
    named = str(labels.get("component", ""))
    return named if named in COMPONENTS else OTHER


def _containers(status: Json) -> Iterator[Json]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(kind) or ()


def _waits(containers: list[Json], conditions: Mapping[str, Json]) -> str:
    """Return why a pod is no further, of all that waits what is worst."""
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return _known(str(scheduled.get("reason", "")))
    told = ((one.get("state") or {}).get("waiting") or {} for one in containers)
    reasons = [str(one.get("reason", "")) for one in told if one]
    # A pod that is on its way waits for each of its containers: what is wrong with one comes first.
    wrong = [one for one in reasons if one not in ("PodInitializing", "ContainerCreating")]
    return _known((wrong or reasons)[0]) if reasons else ""


def _known(reason: str) -> str:
    return reason if reason in WAITS else OTHER


def _evicted(status: Json, conditions: Mapping[str, Json]) -> str:
    """Return who let a pod go, if anybody did."""
    disrupted = conditions.get("DisruptionTarget", {})
    if disrupted.get("status") == "True":
        return EVICTIONS.get(str(disrupted.get("reason", "")), "")
    return EVICTIONS.get(str(status.get("reason", "")), "")


def _ends(container: Json) -> Iterator[ContainerEnd]:
    for kind in ("state", "lastState"):
        told = (container.get(kind) or {}).get("terminated")
        if told:
            when = str(told.get("finishedAt") or told.get("containerID") or "")
            reason = str(told.get("reason", ""))
            yield ContainerEnd(str(container.get("name", "")), when, reason)
