"""Alerts on the schedulers: late, silent, frozen or dead, alive without scheduling."""

from __future__ import annotations

import math
from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, Subject
from airwarden.rules.promql import process_down, silent_heartbeat, unexplained

#: As many starts must have been usual in the time looked at, or their absence proves nothing
#: (with five expected, none at all happens by chance in 0.7 % of cases).
_USUAL_STARTS = 5
_USUAL_RANGE = timedelta(hours=1)


def _lag(context: Context) -> str:
    return (
        f"max by (cluster) ({context.series('airwarden_scheduler_lag_seconds')}) {context.beyond}"
    )


def _heartbeat(context: Context) -> str:
    silent = silent_heartbeat("scheduler", context)
    if context.rules.get(PROCESS_DOWN.name) is None:
        return silent
    return unexplained(silent, "scheduler")


def _stalled(context: Context) -> str:
    over = format_duration(context.over)
    looked_at = context.over + context.hold
    usual = math.ceil(_USUAL_STARTS * (_USUAL_RANGE / looked_at))
    return f"""\
sum by (cluster) (
  {context.series("airwarden_task_instances", 'state="scheduled"')}
  unless on (cluster, pool) airwarden_pool_slots{{state="open"}} <= 0
) > 0
and on (cluster) sum by (cluster) (increase(airwarden_task_instances_started_total[{over}])) == 0
unless on (cluster) min by (cluster) (airwarden_celery_worker_slot_utilization_ratio) >= 1
unless on (cluster) (
  sum by (cluster) (airwarden_task_instances{{state="running"}}) > 0
  unless on (cluster)
  sum by (cluster) (
    increase(airwarden_task_instances_started_total[{format_duration(_USUAL_RANGE)}] offset {format_duration(looked_at)})
  ) >= {usual}
)"""


PROCESS_DOWN = AlertRule(
    name="AirflowSchedulerProcessDown",
    component="scheduler",
    severity=Severity.CRITICAL,
    expr=lambda c: process_down("scheduler", c),
    hold=timedelta(seconds=30),
    summary="Scheduler process {{ $labels.process }} on {{ $labels.cluster }} is frozen or dead",
    description=(
        "The host reports the process as frozen, exited or given up for <<hold>>. It schedules "
        "nothing; if it is the only scheduler, no task starts."
    ),
)

SCHEDULER = Subject(
    name="scheduler",
    alerts=(
        AlertRule(
            name="AirflowSchedulerLagHigh",
            component="scheduler",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 5m"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=3),
            expr=_lag,
            summary=("Scheduling on {{ $labels.cluster }} is {{ $value | humanizeDuration }} late"),
            description=(
                "The oldest work that could have started has waited "
                "{{ $value | humanizeDuration }}, more than <<limit>> for <<hold>>. Runs of every "
                "team start late."
            ),
        ),
        AlertRule(
            name="AirflowSchedulerHeartbeatLost",
            component="scheduler",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 60s"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=1),
            expr=_heartbeat,
            summary=(
                "Scheduler {{ $labels.hostname }} (job {{ $labels.job_id }}) on "
                "{{ $labels.cluster }} sends no heartbeat"
            ),
            description=(
                "Its last heartbeat is {{ $value | humanizeDuration }} old, more than <<limit>>, "
                "and no process that the host reports as down explains it."
            ),
        ),
        PROCESS_DOWN,
        AlertRule(
            name="AirflowSchedulerStalled",
            component="scheduler",
            severity=Severity.CRITICAL,
            hold=timedelta(minutes=3),
            over=timedelta(minutes=1),
            expr=_stalled,
            summary="Nothing is scheduled on {{ $labels.cluster }} although work waits",
            description=(
                "{{ $value | humanize }} tasks wait in pools with free slots, and for <<hold>> "
                "none was started. The heartbeats say nothing about this."
            ),
        ),
    ),
)
