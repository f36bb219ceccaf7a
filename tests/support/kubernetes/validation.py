"""What the API refuses of an object's content, as far as anything here rests on it."""

from __future__ import annotations

import re
from typing import Any

from support.kubernetes.resources import ApiError, Json, Resource, invalid
from support.kubernetes.selectors import selected

#: `metav1.MicroTime` is parsed with exactly six digits; a plain time without them is refused.
_MICRO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
#: Keys are mounted as files.
_KEY = re.compile(r"[-._a-zA-Z0-9]+")


def validate(resource: Resource, thing: Json) -> None:
    """Raise ApiError 400 or 422 for what the API refuses."""
    check = _CHECKS.get(resource.kind)
    if check is not None:
        check(resource, thing)


def _workload(resource: Resource, thing: Json) -> None:
    spec, name = thing.get("spec") or {}, thing["metadata"]["name"]
    spec.setdefault("replicas", 1)
    if spec["replicas"] < 0:
        raise invalid(resource, name, "spec.replicas", "must be greater than or equal to 0")
    labels = (spec.get("template", {}).get("metadata") or {}).get("labels") or {}
    if not selected(spec.get("selector"), labels):
        why = "`selector` does not match template `labels`"
        raise invalid(resource, name, "spec.template.metadata.labels", why)
    if not spec["template"].get("spec", {}).get("containers"):
        raise invalid(resource, name, "spec.template.spec.containers", "Required value")


def _autoscaler(resource: Resource, thing: Json) -> None:
    spec, name = thing.get("spec") or {}, thing["metadata"]["name"]
    spec.setdefault("minReplicas", 1)
    if spec["minReplicas"] < 1:
        raise invalid(resource, name, "spec.minReplicas", "must be greater than or equal to 1")
    if spec.get("maxReplicas", 0) < spec["minReplicas"]:
        why = "must be greater than or equal to `minReplicas`"
        raise invalid(resource, name, "spec.maxReplicas", why)


def _event(resource: Resource, thing: Json) -> None:
    involved, space = thing.get("involvedObject") or {}, thing["metadata"]["namespace"]
    if involved.get("namespace", "") != space:
        why = "does not match event.namespace"
        raise invalid(resource, thing["metadata"]["name"], "involvedObject.namespace", why)
    _micro(thing, "eventTime")


def _lease(_: Resource, thing: Json) -> None:
    for field in ("acquireTime", "renewTime"):
        _micro(thing.get("spec") or {}, field)


def _micro(holder: Json, field: str) -> None:
    value: Any = holder.get(field)
    if value is not None and not _MICRO.fullmatch(str(value)):
        raise ApiError(
            400, "BadRequest", f'parsing time "{value}" as "2006-01-02T15:04:05.000000Z07:00"'
        )


def _pod(resource: Resource, thing: Json) -> None:
    if not (thing.get("spec") or {}).get("containers"):
        raise invalid(resource, thing["metadata"]["name"], "spec.containers", "Required value")


def _keys(resource: Resource, thing: Json) -> None:
    for key in (*(thing.get("data") or {}), *(thing.get("binaryData") or {})):
        if not _KEY.fullmatch(key):
            why = f'Invalid value: "{key}": a valid config key must consist of alphanumeric characters'
            raise invalid(resource, thing["metadata"]["name"], f"data[{key}]", why)


_CHECKS = {
    "ConfigMap": _keys,
    "Secret": _keys,
    "Deployment": _workload,
    "StatefulSet": _workload,
    "ReplicaSet": _workload,
    "HorizontalPodAutoscaler": _autoscaler,
    "Event": _event,
    "Lease": _lease,
    "Pod": _pod,
}
