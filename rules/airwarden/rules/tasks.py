"""Alerts on tasks: retried too often, stuck, lost, silent, or waiting too long for a worker."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.config import RuleConfig
from airwarden.rules.model import AlertRule, Context, Measure, RecordingRule, Rules, Subject

_FINISHED = "airwarden_task_instances_finished_total"
#: A healthy platform needs 1.0 to 1.1 attempts for a task.
_AMPLIFICATION = 1.5


def _amplification(_: Rules) -> tuple[RecordingRule, ...]:
    """How many attempts the tasks of each tier that ended within the hour took, on average."""
    taken, ended = (
        f"sum by (cluster, tier) (increase(airwarden_task_attempts_{part}[1h]))"
        for part in ("sum", "count")
    )
    return (RecordingRule("airwarden_task_retry_amplification_ratio", f"{taken} / ({ended} > 0)"),)


def _retries(_: RuleConfig) -> Measure:
    return Measure(
        "cluster:airwarden_task_retries:increase30m",
        ("cluster",),
        f'clamp_min(sum by (cluster) (increase({_FINISHED}{{state="up_for_retry"}}[30m])), 1)',
    )


def _retry_storm(context: Context) -> str:
    measure = _retries(context.config)
    retries = context.series(measure.record, labels=())
    beyond = context.exceeds()
    if context.limit.unit is Unit.USUAL:
        # Without a history, the attempts that a task needs have to be proof enough.
        beyond = f"(\n{beyond}\nor\n{retries} unless on (cluster) {measure.usual}\n)"
    ended = f'sum by (cluster) (increase({_FINISHED}{{state=~"success|failed"}}[30m]))'
    return f"""\
{beyond}
and on (cluster) {retries} >= {context.at_least}
and on (cluster) {retries} / {ended} > {_AMPLIFICATION - 1:g}"""


def _stuck(context: Context) -> str:
    stuck = context.series("airwarden_tasks_stuck")
    return f"max by (cluster, kind) (last_over_time({stuck}[{context.bridge}])) {context.beyond}"


def _inconsistent(context: Context) -> str:
    wrong = context.series("airwarden_consistency_problems")
    return f"max by (cluster, kind) (last_over_time({wrong}[{context.bridge}])) {context.beyond}"


def _increase(metric: str, by: str, context: Context) -> str:
    over = format_duration(context.over)
    return f"sum by ({by}) (increase({context.series(metric)}[{over}])) {context.beyond}"


def _oldest_queued(context: Context) -> str:
    age = context.series("airwarden_task_oldest_age_seconds", 'state="queued"')
    return f"max by (cluster, queue) ({age}) {context.beyond}"


TASKS = Subject(
    name="tasks",
    recordings=_amplification,
    alerts=(
        AlertRule(
            name="AirflowRetryStorm",
            component="pipelines",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 3x usual"),
            units=(Unit.USUAL, Unit.COUNT),
            at_least=50,
            hold=timedelta(minutes=10),
            measure=_retries,
            expr=_retry_storm,
            summary=(
                "{{ $value | humanize }} task attempts failed and are tried again on "
                "{{ $labels.cluster }}"
            ),
            description=(
                f"Within 30m, more than <<limit>>, and tasks need more than {_AMPLIFICATION} attempts "
                "each, for <<hold>>. Retries take the slots of work that would succeed."
            ),
        ),
        AlertRule(
            name="AirflowTasksStuck",
            component="pipelines",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            scopes=("kind",),
            hold=timedelta(minutes=5),
            expr=_stuck,
            summary=(
                "{{ $value | humanize }} task(s) on {{ $labels.cluster }} do not move: "
                "{{ $labels.kind }}"
            ),
            description=(
                "For <<hold>> more than <<limit>>. Queued and scheduled ones are never started, "
                "running ones have fallen silent, deferred ones have no triggerer, and those of a "
                "removed worker have nobody who runs them."
            ),
        ),
        AlertRule(
            name="AirflowTaskHeartbeatTimeouts",
            component="worker",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 5"),
            units=(Unit.COUNT,),
            scopes=("queue",),
            over=timedelta(minutes=10),
            hold=timedelta(minutes=5),
            expr=lambda c: _increase(
                "airwarden_task_heartbeat_timeouts_total", "cluster, queue", c
            ),
            summary=(
                "{{ $value | humanize }} running tasks of queue {{ $labels.queue }} fell silent on "
                "{{ $labels.cluster }}"
            ),
            description=(
                "More than <<limit>> within <<over>> sent no heartbeat and were ended, for <<hold>>. "
                "Their workers died, were killed for memory, or cannot reach the api-server."
            ),
        ),
        AlertRule(
            name="AirflowOldestQueuedTask",
            component="queue",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 10m"),
            units=(Unit.SECONDS,),
            scopes=("queue",),
            hold=timedelta(minutes=5),
            expr=_oldest_queued,
            summary=(
                "A task in queue {{ $labels.queue }} of {{ $labels.cluster }} has waited "
                "{{ $value | humanizeDuration }} for a worker"
            ),
            description=(
                "More than <<limit>> for <<hold>>. Airflow gives up a queued task after "
                "`task_queued_timeout` (600 s) and queues it again, or fails it."
            ),
        ),
        AlertRule(
            name="AirflowTasksNotPublished",
            component="broker",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 5"),
            units=(Unit.COUNT,),
            scopes=("kind",),
            over=timedelta(minutes=10),
            hold=timedelta(0),
            expr=lambda c: _increase("airwarden_celery_publish_failures_total", "cluster, kind", c),
            summary=(
                "{{ $value | humanize }} tasks of {{ $labels.cluster }} could not be handed to the "
                "broker"
            ),
            description=(
                "More than <<limit>> within <<over>> ({{ $labels.kind }}). Each costs its task a try "
                "without having been started."
            ),
        ),
        AlertRule(
            name="AirflowStateInconsistent",
            component="scheduler",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            scopes=("kind",),
            hold=timedelta(minutes=15),
            expr=_inconsistent,
            summary=(
                "{{ $value | humanize }} contradiction(s) in the state of {{ $labels.cluster }}: "
                "{{ $labels.kind }}"
            ),
            description=(
                "For <<hold>> more than <<limit>>. A scheduler should have put it right: tasks whose "
                "scheduler is gone, tasks of runs that have ended, or runs with nothing left to do."
            ),
        ),
    ),
)
