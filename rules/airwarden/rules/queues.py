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


def _broker_memory(context: Context) -> str:
    used = context.series("airwarden_broker_memory_used_bytes")
    # Without a limit there is no share.
    limit = "max by (cluster, kind) (airwarden_broker_memory_max_bytes > 0)"
    return f"max by (cluster, kind) ({used}) / on (cluster, kind) {limit} {context.beyond}"


def _evictions(context: Context) -> str:
    over = format_duration(context.over)
    evicted = context.series("airwarden_broker_evicted_keys_total")
    return f"sum by (cluster, kind) (increase({evicted}[{over}])) {context.beyond}"


QUEUES = Subject(
    name="queues",
    alerts=(
        AlertRule(
            name="AirflowBrokerDown",
            component="broker",
            severity=Severity.CRITICAL,
            # Two scrapes that say so: with 30 s more than a minute passes until somebody is paged.
            hold=timedelta(seconds=15),
            expr=lambda c: f"max by (cluster, kind) ({c.series('airwarden_broker_up')}) == 0",
            summary="The {{ $labels.kind }} broker of {{ $labels.cluster }} does not answer",
            description=(
                "No answer for <<hold>>. Tasks fail without having started and burn their retries "
                "within seconds, while every health check of Airflow reads healthy."
            ),
        ),
        AlertRule(
            name="AirflowBrokerMemoryHigh",
            component="broker",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 90%"),
            units=(Unit.RATIO,),
            hold=timedelta(minutes=5),
            expr=_broker_memory,
            summary=(
                "The {{ $labels.kind }} broker of {{ $labels.cluster }} uses "
                "{{ $value | humanizePercentage }} of its memory"
            ),
            description=(
                "More than <<limit>> for <<hold>>. At its limit it refuses new messages, or throws old "
                "ones away: both cost tasks."
            ),
        ),
        AlertRule(
            name="AirflowBrokerEvicting",
            component="broker",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            over=timedelta(minutes=10),
            hold=timedelta(0),
            expr=_evictions,
            summary=(
                "The {{ $labels.kind }} broker of {{ $labels.cluster }} threw away "
                "{{ $value | humanize }} keys"
            ),
            description=(
                "More than <<limit>> within <<over>>, for want of memory. Queues are keys: a task whose "
                "message is gone waits until `task_queued_timeout`."
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
