"""Alerts on Celery workers: gone or frozen, alive without consuming, too few, and more than anybody asks for."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, RecordingRule, Rules, Subject
from airwarden.rules.promql import down_or_silent

_SLOTS = "airwarden_celery_worker_concurrency"
_ASKED = "cluster:airwarden_slots_asked:sum"
#: Whoever takes workers away looks at it too.
_WEEK = "cluster:airwarden_slots_asked:p95_7d"


def _recordings(_: Rules) -> tuple[RecordingRule, ...]:
    asked = 'sum by (cluster) (airwarden_task_instances{state=~"running|queued"})'
    return (RecordingRule(_ASKED, asked),)


def _slow_recordings(_: Rules) -> tuple[RecordingRule, ...]:
    # Not before a whole week was measured: its working days may be missing.
    week = f"""\
quantile_over_time(0.95, {_ASKED}[7d])
and on (cluster) last_over_time({_ASKED}[1h] offset 7d)"""
    return (RecordingRule(_WEEK, week),)


def _down(context: Context) -> str:
    up = context.series("airwarden_celery_worker_up")
    return down_or_silent("worker", f"max by (cluster, hostname) ({up}) == 0", context)


def _silent(context: Context) -> str:
    # A queue that other workers empty again and again is not empty: it waits longer than it could.
    lately = format_duration(max(context.hold, 4 * context.config.scrape_interval))
    queues = context.series("airwarden_celery_worker_queues")
    # One that is drained before it is removed executes tasks, and leaves after the last: idle and of no
    # use for so long is a fault too, which would be seen only when the next load finds it missing.
    return f"""\
max by (cluster, hostname) ({queues}) == 0
and on (cluster, hostname) max by (cluster, hostname) (airwarden_celery_worker_up) == 1
and on (cluster, hostname) (
  max by (cluster, hostname) (airwarden_celery_worker_up)
  and on (cluster) sum by (cluster) (max_over_time(airwarden_celery_queue_messages[{lately}])) > 0
  or
  max by (cluster, hostname) (max_over_time(airwarden_celery_worker_tasks_active[{lately}])) == 0
  and on (cluster, hostname) max by (cluster, hostname) (max_over_time({queues}[{lately}])) == 0
)"""


def _too_few(context: Context) -> str:
    # Silent workers leave after ten minutes; the queues that they consumed from stay, at 0.
    up = context.series("airwarden_celery_worker_up")
    queues = context.series("airwarden_celery_queue_consumers")
    return f"""\
(
  sum by (cluster) ({up})
  or
  0 * sum by (cluster) ({queues})
) {context.beyond}"""


def _idle(context: Context) -> str:
    slots, settled = context.series(_SLOTS), max(context.hold, 4 * context.config.scrape_interval)
    asked = context.series("airwarden_task_instances", 'state=~"running|queued"')
    total = f"sum by (cluster) (last_over_time({slots}[{context.bridge}]))"
    count = f"count by (cluster) (last_over_time({slots}[{context.bridge}]))"
    # Where one has left within the time, the others are looked at anew: what it did they do now.
    return f"""\
sum by (cluster) (max_over_time({asked}[{context.bridge}])) / on (cluster) {total} {context.beyond}
and on (cluster) {context.series(_WEEK, labels=())} / on (cluster) {total} {context.beyond}
and on (cluster) {count} > {context.config.fewest_workers}
and on (cluster)
  {count} == on (cluster) count by (cluster) (last_over_time({slots}[{format_duration(settled)}]))"""


WORKERS = Subject(
    name="workers",
    recordings=_recordings,
    slow_recordings=_slow_recordings,
    alerts=(
        AlertRule(
            name="AirflowWorkerDown",
            component="worker",
            severity=Severity.WARNING,
            hold=timedelta(minutes=2),
            expr=_down,
            summary=(
                "Worker {{ if $labels.process }}process {{ $labels.process }}"
                "{{ else }}{{ $labels.hostname }}{{ end }} of {{ $labels.cluster }} is down or "
                "frozen"
            ),
            description=(
                "It has not answered, or the host reports its process as down, for <<hold>>. The "
                "tasks it was running fail when their heartbeats time out."
            ),
        ),
        AlertRule(
            name="AirflowWorkerSilent",
            component="worker",
            severity=Severity.WARNING,
            hold=timedelta(minutes=2),
            expr=_silent,
            scopes=("hostname",),
            summary=(
                "Worker {{ $labels.hostname }} of {{ $labels.cluster }} answers and consumes "
                "nothing"
            ),
            description=(
                "For <<hold>> it has answered pings while consuming from no queue, and messages "
                "wait or it has nothing to do. It stays like this until it is told to consume again "
                "or is restarted."
            ),
        ),
        AlertRule(
            name="AirflowWorkersBelowMinimum",
            component="worker",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("< 1"),
            units=(Unit.COUNT,),
            hold=timedelta(minutes=5),
            expr=_too_few,
            summary="{{ $value | humanize }} worker(s) answer on {{ $labels.cluster }}",
            description=(
                "Fewer than <<limit>> for <<hold>>: what is queued is not run, or not fast enough."
            ),
        ),
        AlertRule(
            name="AirflowWorkersIdle",
            component="worker",
            severity=Severity.INFO,
            threshold=parse_threshold("< 40%"),
            units=(Unit.RATIO,),
            hold=timedelta(minutes=15),
            expr=_idle,
            keeps=False,
            summary=(
                "{{ $value | humanizePercentage }} of the worker slots of {{ $labels.cluster }} are "
                "asked for"
            ),
            description=(
                "Less than <<limit>> for <<hold>>, and in nineteen twentieths of the last week: there are "
                "more workers than the load asks for."
            ),
        ),
    ),
)
