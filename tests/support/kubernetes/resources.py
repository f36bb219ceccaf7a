"""Which kinds there are, and how they are addressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """One kind.

    Attributes:
        group: Its API group, empty for the core.
        plural: Its name in paths and Roles.
        subresources: What else may be addressed under an object.
        custom: Whether a CustomResourceDefinition brought it: no strategic merge then.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    custom: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Whether `status` is written by itself alone, and `generation` counts changes of the rest."""
        return "status" in self.subresources


_STATUS = ("status",)
_SCALED = ("status", "scale")
RESOURCES = (
    Resource("", "v1", "namespaces", "Namespace", namespaced=False),
    Resource("", "v1", "pods", "Pod", subresources=("status", "eviction", "log")),
    Resource("", "v1", "events", "Event"),
    Resource("", "v1", "configmaps", "ConfigMap"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", subresources=("token",)),
    Resource("", "v1", "resourcequotas", "ResourceQuota", subresources=_STATUS),
    Resource("apps", "v1", "deployments", "Deployment", subresources=_SCALED),
    Resource("apps", "v1", "statefulsets", "StatefulSet", subresources=_SCALED),
    Resource("apps", "v1", "replicasets", "ReplicaSet", subresources=_SCALED),
    Resource(
        "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler",
        subresources=_STATUS,
    ),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", subresources=_STATUS),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    Resource(
        "keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", subresources=_STATUS, custom=True
    ),
)  # fmt: skip
BY_PATH = {(one.group, one.version, one.plural): one for one in RESOURCES}
BY_PLURAL = {one.plural: one for one in RESOURCES}


class ApiError(Exception):
    """An answer that is a `Status` of failure."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Json | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details = details or {}
        self.retry_after = retry_after

    @property
    def status(self) -> Json:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def qualified(resource: Resource) -> str:
    """Return the resource as messages name it (`deployments.apps`)."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def not_found(resource: Resource, name: str) -> ApiError:
    """Return what is answered where there is no such object."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return ApiError(404, "NotFound", f'{qualified(resource)} "{name}" not found', details=details)


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    """Return what is answered where the object is no longer what the request says."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    message = f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=details)


def invalid(resource: Resource, name: str, field: str, why: str) -> ApiError:
    """Return what is answered to an object that makes no sense."""
    message = f'{resource.kind}.{resource.group} "{name}" is invalid: {field}: {why}'
    causes = [{"reason": "FieldValueInvalid", "message": why, "field": field}]
    return ApiError(422, "Invalid", message, details={"name": name, "causes": causes})
