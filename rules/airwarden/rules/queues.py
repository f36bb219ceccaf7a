"""Alerts on the broker and its queues, and on how full the platform is."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.config import RuleConfig
from airwarden.rules.model import AlertRule, Context, Measure, Subject


def _queue_depth(context: Context) -> str:
    if context.limit.unit is Unit.USUAL:
        return context.exceeds()
    # The broker counts messages; where there is none (KubernetesExecutor), Airflow's own state does.
    # Each part is summed over one scrape's series, then the highest over the bridge is taken.
    bridge = context.bridge
    messages = context.series("airwarden_celery_queue_messages")
    queued = context.series("airwarden_task_instances", 'state="queued"')
    return f"""\
(
  sum by (cluster, queue) (max_over_time({messages}[{bridge}]))
  or
  sum by (cluster, queue) (max_over_time({queued}[{bridge}]))
) {context.beyond}"""


def _waiting(config: RuleConfig) -> Measure:
    # At least one, or what was never seen before would be beyond any multiple of what is usual.
    over = format_duration(max(timedelta(minutes=1), 4 * config.scrape_interval))
    return Measure(
        "cluster_queue:airwarden_waiting_messages:max",
        ("cluster", "queue"),
        f"""\
clamp_min(
  sum by (cluster, queue) (max_over_time(airwarden_celery_queue_messages[{over}]))
  or
  sum by (cluster, queue) (max_over_time(airwarden_task_instances{{state="queued"}}[{over}]))
, 1)""",
    )


QUEUES = Subject(
    name="queues",
    alerts=(
        AlertRule(
            name="AirflowBrokerDown",
            component="broker",
            severity=Severity.CRITICAL,
            hold=timedelta(seconds=30),
            expr=lambda c: f"max by (cluster, kind) ({c.series('airwarden_broker_up')}) == 0",
            summary="The {{ $labels.kind }} broker of {{ $labels.cluster }} does not answer",
            description=(
                "No answer for <<hold>>. Tasks fail without having started and burn their retries "
                "within seconds, while every health check of Airflow reads healthy."
            ),
        ),
        AlertRule(
            name="AirflowTaskQueueDepthHigh",
            component="queue",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 1000"),
            units=(Unit.COUNT, Unit.USUAL),
            scopes=("queue",),
            measure=_waiting,
            hold=timedelta(minutes=15),
            expr=_queue_depth,
            summary=(
                "{{ $value | humanize }} tasks wait in queue {{ $labels.queue }} of "
                "{{ $labels.cluster }}"
            ),
            description=(
                "More than <<limit>> for <<hold>>: the workers of this queue do not keep up."
            ),
        ),
        AlertRule(
            name="AirflowResourceUtilizationHigh",
            component="capacity",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 90%"),
            units=(Unit.RATIO,),
            hold=timedelta(minutes=30),
            expr=lambda c: (
                "max by (cluster, resource) "
                f"(max_over_time({c.series('airwarden_cluster_utilization_ratio')}[{c.bridge}])) "
                f"{c.beyond}"
            ),
            scopes=("resource",),
            summary=(
                "{{ $labels.cluster }} uses {{ $value | humanizePercentage }} of its "
                "{{ $labels.resource }}"
            ),
            description=("More than <<limit>> for <<hold>>: nothing is left for the next peak."),
        ),
    ),
)
