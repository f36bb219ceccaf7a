"""What the Kubernetes API tells of the namespace in which Airflow runs."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_COUNTER, _GAUGE = MetricType.COUNTER, MetricType.GAUGE
_PODS = "Kubernetes API: pods, followed"
_MAPPED = f"{_PODS}; or mapped: preset kube-state-metrics"
_WORKLOADS = "Kubernetes API: deployments, statefulsets"
_SCALERS = "Kubernetes API: scaledobjects, horizontalpodautoscalers"
_QUOTAS = "Kubernetes API: resourcequotas"

METRICS = (
    Metric(
        "airwarden_pods",
        _GAUGE,
        ("component", "phase"),
        "Pods by component (task for those of tasks) and phase.",
        _MAPPED,
    ),
    Metric(
        "airwarden_pod_pending_oldest_age_seconds",
        _GAUGE,
        ("component",),
        "Age of the oldest pod that is pending; absent without one.",
        _MAPPED,
    ),
    Metric(
        "airwarden_pod_restarts_total",
        _COUNTER,
        ("component",),
        "Restarts of containers; mapped: of the pods that are there.",
        _MAPPED,
    ),
    Metric(
        "airwarden_pods_waiting",
        _GAUGE,
        ("component", "reason"),
        "Pods that are no further, by Kubernetes' reason (CrashLoopBackOff, ImagePullBackOff, "
        "Unschedulable, …; other).",
        _PODS,
    ),
    Metric(
        "airwarden_pod_terminations_total",
        _COUNTER,
        ("component", "reason"),
        "Ends of containers by Kubernetes' reason (Completed, Error, OOMKilled, …; other).",
        _PODS,
    ),
    Metric(
        "airwarden_pod_oom_kills_total",
        _COUNTER,
        ("component",),
        "Containers that were killed for want of memory.",
        _PODS,
    ),
    Metric(
        "airwarden_pod_evictions_total",
        _COUNTER,
        ("component", "reason"),
        "Pods that were let go before their end: node_pressure, preempted, node_lost, api (drains, "
        "and Airwarden's own restarts).",
        _PODS,
    ),
    Metric(
        "airwarden_pod_start_seconds",
        MetricType.HISTOGRAM,
        ("component", "phase"),
        "What each phase of a pod's start took: scheduled, initialised, pulled (image there and main "
        "container started), ready. Whole seconds, as Kubernetes tells them.",
        _PODS,
        buckets=(1, 2, 5, 10, 20, 30, 45, 60, 120, 300, 600, 1800),
    ),
    Metric(
        "airwarden_workload_replicas",
        _GAUGE,
        ("component", "workload", "state"),
        "Pods of a Deployment or StatefulSet: wanted, existing, ready, updated.",
        _WORKLOADS,
    ),
    Metric(
        "airwarden_workload_rolling",
        _GAUGE,
        ("component", "workload"),
        "Whether a change of it is not rolled out to all its pods yet.",
        _WORKLOADS,
    ),
    Metric(
        "airwarden_scaler_replicas",
        _GAUGE,
        ("component", "workload", "kind", "state"),
        "Bounds of a ScaledObject or HorizontalPodAutoscaler (minimum, maximum) and what it asks for "
        "now (wanted).",
        _SCALERS,
    ),
    Metric(
        "airwarden_quota_used",
        _GAUGE,
        ("quota", "resource"),
        "Used of a namespace's quota, in the resource's base unit.",
        _QUOTAS,
    ),
    Metric(
        "airwarden_quota_limit",
        _GAUGE,
        ("quota", "resource"),
        "What the quota allows, in the resource's base unit.",
        _QUOTAS,
    ),
    Metric(
        "airwarden_k8s_api_requests_total",
        _COUNTER,
        ("verb", "code"),
        "The exporter's requests to the Kubernetes API by status; lost where none came.",
        "Airwarden's own calls",
    ),
)
