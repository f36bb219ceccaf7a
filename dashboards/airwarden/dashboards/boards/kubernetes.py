"""Do Kubernetes' objects carry the platform: pods, roll-outs, autoscalers, quotas?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import Source, none_now
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, dashboard, numbers, row
from airwarden.dashboards.names import KUBERNETES, WORKERS
from airwarden.dashboards.panels import (
    RED,
    YELLOW,
    any_is,
    at_most,
    override,
    stat,
    table,
    timeseries,
)
from airwarden.dashboards.queries import Query, increase, mean, quantile, rate, series, top

_PHASES = "airwarden_pod_start_seconds"
_BY = "cluster, component, workload"


def _none_or_unread(what: str) -> str:
    return none_now(f"{what}, or no source configured. {Source.KUBERNETES.value}")


def kubernetes(config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of Airflow's objects on Kubernetes."""
    sections = (_now(config.limits), _pods(), _starts(), _workloads(), _room(config.limits))
    return dashboard(KUBERNETES, sections)


def _replicas(state: str) -> str:
    return f"max by ({_BY}) ({series('airwarden_workload_replicas', state=state)})"


def _bound(state: str) -> str:
    return f"max by ({_BY}) ({series('airwarden_scaler_replicas', state=state)})"


def _quota() -> str:
    by = "cluster, quota, resource"
    used, limit = series("airwarden_quota_used"), series("airwarden_quota_limit")
    return f"max by ({by}) ({used}) / (max by ({by}) ({limit}) > 0)"


def _now(limits: Limits) -> Section:
    looping = series("airwarden_pods_waiting", reason="CrashLoopBackOff")
    pending = series("airwarden_pods", phase="Pending")
    age = series("airwarden_pod_pending_oldest_age_seconds")
    missing = f"clamp_min({_replicas('wanted')} - {_replicas('existing')}, 0)"
    known = series("airwarden_pods")
    return Section(
        "Now",
        numbers(
            stat(
                "Crash loops",
                "Pods whose container ends as soon as it is started.",
                "none",
                [Query(f"sum({looping}) or 0 * count({known})")],
                steps=any_is(RED),
                no_value=Source.KUBERNETES,
            ),
            stat(
                "Pending pods",
                "Pods without a node, an image or a volume yet.",
                "none",
                [Query(f"sum({pending})")],
                steps=any_is(YELLOW),
                no_value=Source.KUBERNETES,
            ),
            stat(
                "Oldest pending pod",
                "How long it has waited; beyond the limit the alert fires.",
                "s",
                [Query(f"max({age}) or 0 * count({known})")],
                steps=at_most(limits.pod_pending_seconds),
                no_value=Source.KUBERNETES,
            ),
            stat(
                "Pods that cannot be created",
                "Asked for by a workload and refused, by a quota most often: they are not pending.",
                "none",
                [Query(f"sum({missing})")],
                steps=any_is(RED),
                no_value=Source.KUBERNETES,
            ),
            stat(
                "Roll-outs under way",
                "Workloads some of whose pods are of an older template.",
                "none",
                [Query(f"sum({series('airwarden_workload_rolling')})")],
                steps=any_is(YELLOW),
                no_value=Source.KUBERNETES,
            ),
            stat(
                "Fullest quota",
                "Used of the quota that is nearest to its end.",
                "percentunit",
                [Query(f"max({_quota()})")],
                steps=at_most(limits.quota_ratio),
                no_value=_none_or_unread("no quota in the namespace"),
            ),
        ),
    )


def _pods() -> Section:
    return Section(
        "Pods",
        (
            *row(
                timeseries(
                    "Pods by component",
                    "Running pods, those in which single tasks run as `task`.",
                    "short",
                    [
                        Query(
                            f"sum by (component) ({series('airwarden_pods', phase='Running')})",
                            "{{component}}",
                        )
                    ],
                    stacked=True,
                    no_value=Source.KUBERNETES,
                    more=WORKERS,
                ),
                timeseries(
                    "Why pods are no further",
                    "Pods that wait, by Kubernetes' reason and component.",
                    "short",
                    [
                        Query(
                            top(
                                20,
                                f"sum by (component, reason) ({series('airwarden_pods_waiting')})",
                            ),
                            "{{reason}} {{component}}",
                        )
                    ],
                    stacked=True,
                    no_value=_none_or_unread("no pod waits"),
                ),
                timeseries(
                    "Restarts",
                    "Containers that were started again in the window, by component.",
                    "short",
                    [
                        Query(
                            increase(series("airwarden_pod_restarts_total"), by="component"),
                            "{{component}}",
                        )
                    ],
                    no_value=Source.KUBERNETES,
                ),
            ),
            *row(
                timeseries(
                    "How containers ended",
                    "Ends in the window by Kubernetes' reason; Completed is left out.",
                    "short",
                    [
                        Query(
                            increase(
                                series("airwarden_pod_terminations_total", reason="!~Completed"),
                                by="component, reason",
                            ),
                            "{{reason}} {{component}}",
                        )
                    ],
                    no_value=Source.KUBERNETES,
                ),
                timeseries(
                    "Killed for want of memory",
                    "OOM kills in the window, by component. Beyond the line the alert fires.",
                    "short",
                    [
                        Query(
                            increase(series("airwarden_pod_oom_kills_total"), by="component"),
                            "{{component}}",
                        )
                    ],
                    limit=0,
                    no_value=Source.KUBERNETES,
                ),
                timeseries(
                    "Let go before their end",
                    "Evictions in the window: by a node without room, by a node that went, for a more "
                    "important pod, and by the API (drains, Airwarden's own restarts).",
                    "short",
                    [
                        Query(
                            increase(
                                series("airwarden_pod_evictions_total"), by="component, reason"
                            ),
                            "{{reason}} {{component}}",
                        )
                    ],
                    no_value=Source.KUBERNETES,
                ),
            ),
        ),
    )


def _starts() -> Section:
    buckets = series(f"{_PHASES}_bucket")
    return Section(
        "How pods start",
        row(
            timeseries(
                "Phases of a start, mean",
                "From created to scheduled, to initialised, to pulled and started, to ready, of the pods "
                "that started in the window.",
                "s",
                [Query(mean(_PHASES, by="phase"), "{{phase}}")],
                stacked=True,
                no_value=Source.KUBERNETES,
            ),
            timeseries(
                "Phases of a start, p95",
                "The slowest twentieth took at least so long. A slow `pulled` is the image.",
                "s",
                [Query(quantile(0.95, buckets, by="phase"), "{{phase}}")],
                no_value=Source.KUBERNETES,
            ),
            timeseries(
                "Image and start by component, p95",
                "What getting the image and starting the main container took, by component.",
                "s",
                [
                    Query(
                        quantile(0.95, series(f"{_PHASES}_bucket", phase="pulled"), by="component"),
                        "{{component}}",
                    )
                ],
                no_value=Source.KUBERNETES,
            ),
        ),
    )


def _workloads() -> Section:
    rolling = f"max by ({_BY}) ({series('airwarden_workload_rolling')})"
    return Section(
        "Workloads and who scales them",
        row(
            table(
                "Workloads",
                "Pods that each Deployment and StatefulSet asks for, has, and has ready; the bounds of its "
                "autoscaler where it has one.",
                "none",
                [
                    Query(top(100, _replicas("wanted")), instant=True),
                    Query(_replicas("existing"), instant=True),
                    Query(_replicas("ready"), instant=True),
                    Query(_replicas("updated"), instant=True),
                    Query(rolling, instant=True),
                    Query(_bound("minimum"), instant=True),
                    Query(_bound("maximum"), instant=True),
                ],
                columns={
                    "workload": "Workload",
                    "component": "Component",
                    "cluster": "Cluster",
                    "Value #A": "Wanted",
                    "Value #B": "Existing",
                    "Value #C": "Ready",
                    "Value #D": "Updated",
                    "Value #E": "Rolling out",
                    "Value #F": "Fewest",
                    "Value #G": "Most",
                },
                overrides=[
                    override(
                        "Rolling out",
                        thresholds={"mode": "absolute", "steps": list(any_is(YELLOW))},
                        custom_cellOptions={"type": "color-text"},
                    ),
                ],
                sort_by="Wanted",
                no_value=Source.KUBERNETES,
            ),
            height=10,
        ),
    )


def _room(limits: Limits) -> Section:
    share = f"{_bound('wanted')} / ({_bound('maximum')} > 0)"
    return Section(
        "Room for more",
        row(
            timeseries(
                "Of the autoscaler's maximum",
                "Asked for among what it may have; at 1 nothing is added any more.",
                "percentunit",
                [Query(top(20, share), "{{workload}} {{cluster}}")],
                maximum=1,
                no_value=_none_or_unread("there is no autoscaler"),
            ),
            timeseries(
                "Quotas",
                "Used of each quota, the twenty fullest.",
                "percentunit",
                [Query(top(20, _quota()), "{{quota}} {{resource}}")],
                limit=limits.quota_ratio,
                maximum=1,
                no_value=_none_or_unread("no quota in the namespace"),
            ),
            timeseries(
                "Requests to the Kubernetes API",
                "The exporter's own, per second, by verb and status; lost where no answer came.",
                "reqps",
                [
                    Query(
                        rate(series("airwarden_k8s_api_requests_total"), by="verb, code"),
                        "{{verb}} {{code}}",
                    )
                ],
                no_value=Source.KUBERNETES,
            ),
        ),
    )
