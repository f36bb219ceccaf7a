"""Alerts on tasks whatever DAG they belong to: canaries that do not come back, and what fails tasks."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, Subject


def _canary(context: Context) -> str:
    bridge = context.bridge
    succeeded = context.series("airwarden_canary_last_success_timestamp_seconds")
    every = context.series("airwarden_canary_interval_seconds")
    return f"""\
time() - max by (cluster, queue) (max_over_time({succeeded}[{bridge}]))
> on (cluster, queue)
2 * max by (cluster, queue) (max_over_time({every}[{bridge}]))"""


def _platform(context: Context) -> str:
    failures = context.series("airwarden_task_failures_total", 'cause="infrastructure"')
    over = format_duration(context.over)
    return f"sum by (cluster) (increase({failures}[{over}])) {context.beyond}"


def _connection(context: Context) -> str:
    failures = context.series("airwarden_connection_failures_total", 'connection!="other"')
    over = format_duration(context.over)
    return f"sum by (cluster, connection) (increase({failures}[{over}])) {context.beyond}"


FAILURES = Subject(
    name="failures",
    alerts=(
        AlertRule(
            name="AirflowCanaryMissing",
            component="queue",
            severity=Severity.CRITICAL,
            hold=timedelta(minutes=5),
            expr=_canary,
            summary="The canary of queue {{ $labels.queue }} of {{ $labels.cluster }} does not come back",
            description=(
                "It has not ended well for more than twice its interval, for <<hold>>. Whatever else "
                "looks healthy: no task of this queue gets from its schedule to its end."
            ),
        ),
        AlertRule(
            name="AirflowPlatformFailsTasks",
            component="platform",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 20"),
            units=(Unit.COUNT,),
            over=timedelta(minutes=10),
            hold=timedelta(minutes=5),
            expr=_platform,
            summary=(
                "The platform of {{ $labels.cluster }} lost {{ $value | humanize }} task attempts"
            ),
            description=(
                "More than <<limit>> within <<over>>, for <<hold>>, by killed processes, silent workers, "
                "no memory or no disk: not the DAGs' fault, and their retries are burnt."
            ),
        ),
        AlertRule(
            name="AirflowConnectionFailing",
            component="dependency",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 20"),
            units=(Unit.COUNT,),
            over=timedelta(minutes=5),
            hold=timedelta(minutes=2),
            expr=_connection,
            summary=(
                "{{ $value | humanize }} task attempts on {{ $labels.cluster }} failed at connection "
                "{{ $labels.connection }}"
            ),
            description=(
                "More than <<limit>> within <<over>>, for <<hold>>: the system behind this Airflow "
                "connection does not answer, or refuses."
            ),
        ),
    ),
)
