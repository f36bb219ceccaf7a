"""What `airwarden build --only kubernetes` writes: the objects that a site's own settings decide.

The programs themselves are in `deploy/kubernetes/base`; this is a folder for kustomize beside it: rules and
routing for the Prometheus Operator, dashboards for Grafana's sidecar, and what `resource_allocation:` says
as PriorityClasses and as bounds of KEDA for the Celery workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from airwarden.cli.drawing import Draw, here
from airwarden.cli.outputs import dashboard_config, resolved
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings
from airwarden.core.settings.alerting import AutoScaling, PriorityClass
from airwarden.core.thresholds import Threshold, Unit
from airwarden.rules.formats import RuleFormat, formatted
from airwarden.rules.promql import quoted
from airwarden.rules.render_operator import alertmanager_object
from airwarden.rules.yaml_text import dump

FOLDER = "kubernetes"
#: Where the shipped manifests put Airwarden, and the Secret that its files are keys of.
NAMESPACE, SECRET = "airwarden", "airwarden-secrets"
#: Airflow's namespace where the settings name none.
AIRFLOW = "airflow"
#: A class of weight 100 stands at 100,000: above pods without a class, far below the cluster's own.
VALUE_OF_WEIGHT = 1000

#: Seconds between two looks of the autoscaler's query at its past.
_STEP = 15


def kubernetes_files(settings: Settings, draw: Draw = here) -> Mapping[str, str]:
    """Return relative path → content, a kustomization among them.

    Args:
        settings: The installation.
        draw: What draws the dashboards.

    Raises:
        WrongInputError: The settings say what Kubernetes' objects cannot.
    """
    rules = resolved(settings)
    drawn = draw(dashboard_config(settings, rules))
    files = {
        f"rules/{PurePosixPath(path).name}": text
        for path, text in formatted(rules, RuleFormat.OPERATOR).items()
    }
    files["alertmanager-config.yaml"] = dump(alertmanager_object(rules, NAMESPACE, SECRET))
    for path, text in drawn().items():
        place = PurePosixPath(path)
        if place.parent.name == "grafana" and place.suffix == ".json":
            files[f"dashboards/{place.stem}.yaml"] = dump(_dashboard(place, text))
    allocation = settings.resource_allocation
    if allocation is not None and allocation.priority_classes:
        classes = [_priority(name, one) for name, one in allocation.priority_classes.items()]
        files["priority-classes.yaml"] = "---\n".join(dump(one) for one in classes)
    if allocation is not None and allocation.auto_scaling is not None:
        scaled = [
            _scaled_object(settings, position, allocation.auto_scaling)
            for position in range(len(settings.clusters) or 1)
        ]
        files["scaled-objects.yaml"] = "---\n".join(dump(one) for one in scaled)
    files["kustomization.yaml"] = dump(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": sorted(files),
        }
    )
    return {f"{FOLDER}/{path}": text for path, text in files.items()}


def _dashboard(place: PurePosixPath, text: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"dashboard-{place.stem}",
            "namespace": NAMESPACE,
            # What Grafana's sidecar looks for, in every namespace that it is told to watch.
            "labels": {"app.kubernetes.io/name": "airwarden", "grafana_dashboard": "1"},
            "annotations": {"grafana_folder": "Airwarden"},
        },
        "data": {place.name: text},
    }


def _priority(name: str, one: PriorityClass) -> dict[str, Any]:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {
            "name": f"airflow-{name}",
            "labels": {"app.kubernetes.io/part-of": "airwarden"},
            "annotations": {"airwarden/guaranteed-resources": one.guaranteed_resources},
        },
        "value": one.weight * VALUE_OF_WEIGHT,
        "globalDefault": False,
        # Which pod is placed first; never a running task's end for one that waits: it would be lost work.
        "preemptionPolicy": "Never",
        "description": f"Airflow's tasks of tier {name}: weight {one.weight}, "
        f"{one.guaranteed_resources} of the resources guaranteed",
    }


def _scaled_object(settings: Settings, position: int, block: AutoScaling) -> dict[str, Any]:
    cluster = settings.clusters[position] if settings.clusters else None
    place = cluster.host.kubernetes if cluster is not None and cluster.host is not None else None
    name = f"{place.release or AIRFLOW}-worker" if place is not None else f"{AIRFLOW}-worker"
    up, down = _share(block.scale_up_threshold), _share(block.scale_down_threshold)
    query = _demand(cluster.name if cluster is not None else "default", block)
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": name,
            "namespace": place.namespace if place is not None else AIRFLOW,
            "labels": {
                "app.kubernetes.io/part-of": "airwarden",
                "tier": "airflow",
                "component": "worker",
                **({"release": place.release} if place is not None and place.release else {}),
            },
        },
        "spec": {
            # The chart's workers are a StatefulSet unless their persistence is off: patch the kind then.
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name},
            # Without any worker there are no slots to measure, and nothing would ever ask for the first.
            "minReplicaCount": max(1, block.min_nodes),
            "maxReplicaCount": block.max_nodes,
            "pollingInterval": 15,
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleUp": {
                            "stabilizationWindowSeconds": 0,
                            "policies": [
                                {"type": "Percent", "value": 100, "periodSeconds": 60},
                                {"type": "Pods", "value": 4, "periodSeconds": 60},
                            ],
                            "selectPolicy": "Max",
                        },
                        "scaleDown": {
                            "stabilizationWindowSeconds": min(3600, down[1]),
                            "policies": [{"type": "Percent", "value": 10, "periodSeconds": 300}],
                        },
                    }
                }
            },
            "triggers": [
                {
                    "type": "prometheus",
                    # The value itself over the threshold: how many times the workers that there are.
                    "metricType": "Value",
                    "metadata": {
                        "serverAddress": settings.prometheus.url or "",
                        "query": query,
                        "threshold": f"{up[0]:g}",
                        # No data, no change: nothing is removed because nobody measures.
                        "ignoreNullValues": "false",
                    },
                }
            ],
        },
    }


def _demand(cluster: str, block: AutoScaling) -> str:
    """Return the query: work over slots while it is beyond a limit long enough, else the limit itself.

    An autoscaler knows one target; between both limits it is told that it is met.
    """
    (up, up_for), (down, down_for) = (
        _share(block.scale_up_threshold),
        _share(block.scale_down_threshold),
    )
    of = f"cluster={quoted(cluster)}"
    ratio = (
        f'(sum(airwarden_task_instances{{{of},state=~"queued|running"}})'
        f" / sum(airwarden_celery_worker_concurrency{{{of}}}))"
    )
    beyond = (
        f"{ratio} and {_held('min', ratio, up_for)} > {up:g}",
        f"{ratio} and {_held('max', ratio, down_for)} < {down:g}",
    )
    return " or ".join(f"({one})" for one in (*beyond, f"{ratio} * 0 + {up:g}"))


def _held(which: str, ratio: str, seconds: int) -> str:
    """Return the least or most within a time, where most of that time was measured."""
    within = f"{ratio}[{seconds}s:{_STEP}s]"
    measured = f"count_over_time({within}) > {int(0.8 * seconds / _STEP)}"
    return f"({which}_over_time({within}) and {measured})"


def _share(threshold: Threshold) -> tuple[float, int]:
    """Return the limit and for how many seconds it must be crossed."""
    if threshold.unit is not Unit.RATIO:
        raise WrongInputError(
            "a worker's utilization is a share",
            place="resource_allocation.auto_scaling",
            hint="write for example 85% utilization for 5 minutes",
        )
    window = threshold.window or timedelta(minutes=1)
    return float(threshold.value), int(window.total_seconds())
