"""The `Kubernetes` port: the objects of the official Airflow chart in one namespace.

They are found by the chart's labels, never by name. What scales itself is scaled through its owner's
bounds, because KEDA and autoscalers undo everything else. Each effect writes an Event on its target; an
Event that cannot be written is logged and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from airwarden.adapters import kubernetes_reading as reading
from airwarden.adapters.kubernetes_api import Json, KubernetesApi, segment
from airwarden.core.errors import (
    AirwardenError,
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from airwarden.core.kubernetes import Capacity, Pod, Quota, Workload, WorkloadKind
from airwarden.core.platform import Component

_log = structlog.get_logger(__name__)

_CORE, _APPS = "/api/v1", "/apis/apps/v1"
_KEDA, _AUTOSCALING = "/apis/keda.sh/v1alpha1", "/apis/autoscaling/v2"
_PLURALS = {WorkloadKind.DEPLOYMENT: "deployments", WorkloadKind.STATEFUL_SET: "statefulsets"}
#: Where a kind of owner is, and what its bounds are called.
_OWNERS = {
    "ScaledObject": (_KEDA, "scaledobjects", "minReplicaCount", "maxReplicaCount"),
    "HorizontalPodAutoscaler": (
        _AUTOSCALING, "horizontalpodautoscalers", "minReplicas", "maxReplicas",
    ),
}  # fmt: skip
_STRATEGIC = "application/strategic-merge-patch+json"
#: How often a change is written again whose object was written by somebody else since it was read.
_TRIES = 5


class KubernetesNamespace:
    """One namespace of a cluster.

    Args:
        api: The cluster.
        namespace: Where Airflow runs.
        release: The Helm release; every release of the namespace if empty.
    """

    def __init__(self, api: KubernetesApi, namespace: str, *, release: str = "") -> None:
        self._api, self._namespace, self._release = api, namespace, release

    # ---- reading -------------------------------------------------------------------------------

    def pods(self, component: Component | None = None) -> Sequence[Pod]:
        """Return the components' pods, by name; those of single tasks are left out."""
        labels = reading.selector(self._release, component)
        told = self._api.list(self._path(_CORE, "pods"), labels=labels)
        return [one for one in map(sensible(reading.pod), told.items) if one is not None]

    def workloads(self, component: Component | None = None) -> Sequence[Workload]:
        """Return the components' Deployments, then their StatefulSets."""
        labels, found = reading.selector(self._release, component), []
        for kind, plural in _PLURALS.items():
            for thing in self._api.list(self._path(_APPS, plural), labels=labels).items:
                one = sensible(reading.workload)(thing, kind)
                found += [one] if one is not None else []
        return found

    def workload(self, kind: WorkloadKind, name: str) -> Workload:
        """Return one workload as it is now.

        Raises:
            NotFoundError: There is none, or it is none of Airflow's.
        """
        thing = self._api.get(self._path(_APPS, _PLURALS[kind], name))
        found: Workload | None = sensible(reading.workload)(thing, kind)
        if found is None:
            raise NotFoundError(f"{kind} {name} is no component of Airflow")
        return found

    def quotas(self) -> Sequence[Quota]:
        """Return the namespace's quotas, one entry a resource."""
        told = self._api.list(self._path(_CORE, "resourcequotas"))
        return [one for thing in told.items for one in sensible(_quotas)(thing)]

    def refusals(self, workload: Workload) -> Sequence[str]:
        """Return why pods of a workload cannot be created, newest first.

        The event is on what creates them: a StatefulSet itself, or one of a Deployment's ReplicaSets.
        """
        fields = "reason=FailedCreate,type=Warning"
        told = self._api.list(self._path(_CORE, "events"), fields=fields)
        found: list[tuple[str, str]] = []
        for one in told.items:
            name = str((one.get("involvedObject") or {}).get("name", ""))
            if name == workload.name or name.startswith(f"{workload.name}-"):
                when = str(one.get("lastTimestamp") or one.get("eventTime") or "")
                found.append((when, str(one.get("message", ""))))
        return [message for _, message in sorted(found, reverse=True)]

    def log_tail(self, pod: Pod, *, lines: int, previous: bool = False) -> str:
        """Return the end of the main container's log, or of its incarnation before."""
        query = {"container": pod.component.value, "tailLines": lines}
        if previous:
            query["previous"] = "true"
        return self._api.text(self._path(_CORE, "pods", pod.name, "log"), **query)

    def capacity(self, workload: Workload) -> Capacity:
        """Return who decides how many pods a workload has."""
        for owner, things in self.owners():
            for thing in things:
                if reading.targets(thing, workload):
                    return reading.capacity(thing, workload, keda=owner == "ScaledObject")
        scale = self._api.get(self._path(_APPS, _PLURALS[workload.kind], workload.name, "scale"))
        version = str(scale["metadata"]["resourceVersion"])
        return reading.capacity(None, workload, keda=False, version=version)

    def owners(self) -> Iterator[tuple[str, Sequence[Json]]]:
        """Yield what scales workloads by kind, KEDA's first: it makes autoscalers of its own."""
        for owner, (root, plural, *_) in _OWNERS.items():
            try:
                yield owner, self._api.list(self._path(root, plural)).items
            except NotFoundError:
                continue  # KEDA is not installed

    @property
    def path_of_pods(self) -> str:
        """Where the namespace's pods are."""
        return self._path(_CORE, "pods")

    # ---- effects -------------------------------------------------------------------------------

    def evict(self, pod: Pod, *, why: str) -> None:
        """Let exactly this pod go, as far as disruption budgets allow.

        Raises:
            ConflictError: Another pod has its name by now; nothing was done.
            RejectedError: A disruption budget forbids it, or nothing would replace it.
        """
        if not pod.workload:
            raise RejectedError(f"{pod.name} is kept by no workload: nothing would replace it")
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": self._namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        }
        self._api.create(self._path(_CORE, "pods", pod.name, "eviction"), body)
        self._tell("Pod", pod.name, pod.uid, "AirwardenEvicted", why, key=pod.uid)

    def restart(self, workload: Workload, *, key: str, why: str) -> Workload:
        """Roll a workload's pods over, and return it as it is then; the same key again does nothing.

        Raises:
            ConflictError: It is paused, or was changed since it was read; nothing was done.
        """
        path = self._path(_APPS, _PLURALS[workload.kind], workload.name)
        for left in reversed(range(_TRIES)):
            now = self._as_seen(workload, key)
            patch = {
                "metadata": {"uid": now.uid, "resourceVersion": now.version},
                "spec": {"template": {"metadata": {"annotations": {reading.RESTARTED: key}}}},
            }
            try:
                done = self._api.patch(path, patch, kind=_STRATEGIC)
                break
            except ConflictError:
                # Its controllers write its status at any time, which makes the version another.
                if not left:
                    raise
        self._tell(
            workload.kind.value, workload.name, workload.uid, "AirwardenRestarted", why, key=key
        )
        return reading.workload(done, workload.kind) or workload

    def _as_seen(self, workload: Workload, key: str) -> Workload:
        """Return a workload as it is now, if nobody asked for anything else since it was read."""
        now = self.workload(workload.kind, workload.name)
        if now.paused:
            raise ConflictError(f"{workload.name} is paused: it would roll nothing out")
        if now.uid != workload.uid:
            raise ConflictError(f"{workload.name} was made anew since it was read")
        if now.restarted != key and now.generation != workload.generation:
            raise ConflictError(f"{workload.name} was changed since it was read")
        return now

    def set_capacity(self, seen: Capacity, *, minimum: int, maximum: int, why: str) -> None:
        """Set the bounds to absolute numbers.

        Raises:
            ConflictError: The owner was changed since it was seen; nothing was done.
            RejectedError: The numbers make no sense for it.
        """
        if not 0 <= minimum <= maximum:
            raise RejectedError(f"{minimum} to {maximum} are no bounds")
        version = {"metadata": {"resourceVersion": seen.version}}
        if seen.elastic:
            root, plural, low, high = _OWNERS[seen.owner]
            path = self._path(root, plural, seen.owner_name)
            done = self._api.patch(path, {**version, "spec": {low: minimum, high: maximum}})
        elif minimum != maximum:
            raise RejectedError(f"{seen.owner_name} has a number of pods, not bounds")
        else:
            plural = _PLURALS[WorkloadKind(seen.owner)]
            path = self._path(_APPS, plural, seen.owner_name, "scale")
            done = self._api.patch(path, {**version, "spec": {"replicas": minimum}})
        uid = str(done["metadata"].get("uid", ""))
        key = f"{minimum}-{maximum}-{seen.version}"
        self._tell(seen.owner, seen.owner_name, uid, "AirwardenScaled", why, key=key)

    # ---- Events --------------------------------------------------------------------------------

    def _tell(self, kind: str, name: str, uid: str, reason: str, why: str, *, key: str) -> None:
        """Write an Event of what was done; the same of the same target and key is counted up."""
        mark = hashlib.sha256(f"{kind}/{name}/{reason}/{key}".encode()).hexdigest()[:16]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        event: Json = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"airwarden.{mark}", "namespace": self._namespace},
            "involvedObject": {
                "apiVersion": _VERSIONS[kind],
                "kind": kind,
                "name": name,
                "namespace": self._namespace,
                "uid": uid,
            },
            "reason": reason,
            "message": why[:1000],
            "type": "Normal",
            "source": {"component": "airwarden"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            try:
                self._api.create(self._path(_CORE, "events"), event)
            except ConflictError:
                path = self._path(_CORE, "events", f"airwarden.{mark}")
                self._api.patch(path, {"lastTimestamp": now, "count": 2})
        except AirwardenError as error:
            _log.warning("event not written", reason=reason, target=name, error=str(error))

    def _path(self, root: str, plural: str, *steps: str) -> str:
        return "/".join(
            (root, "namespaces", segment(self._namespace), plural, *map(segment, steps))
        )


_VERSIONS = {
    "Pod": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
}


def _quotas(thing: Json) -> Sequence[Quota]:
    return list(reading.quotas(thing))


def sensible(read: Any) -> Any:
    """Return a reader that says of an object without sense what it was, instead of a KeyError."""

    def sensible(*arguments: Any, **named: Any) -> Any:
        try:
            return read(*arguments, **named)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnavailableError(f"Kubernetes tells what makes no sense: {error!r}") from None

    return sensible
