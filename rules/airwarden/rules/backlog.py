"""Alerts on work that waits: a queue that stands still or only grows, lost messages, full pools."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, RecordingRule, Rules, Subject

_TASKS = "airwarden_task_instances"
_WAITING = "cluster_queue:airwarden_waiting_tasks:sum"
#: What waits for nobody is no part of a share.
_UNFINISHED = 'state!="scheduled_paused"'


def _recordings(_: Rules) -> tuple[RecordingRule, ...]:
    waiting = f'sum by (cluster, queue) ({_TASKS}{{state=~"scheduled|queued"}})'
    return (RecordingRule(_WAITING, waiting),)


def _stalled(context: Context) -> str:
    started = "airwarden_task_instances_started_total"
    over = format_duration(context.over)
    queued = context.series(_TASKS, 'state="queued"')
    return f"""\
sum by (cluster, queue) ({queued}) > 0
unless on (cluster, queue) sum by (cluster, queue) ({_TASKS}{{state="running"}}) > 0
unless on (cluster, queue) sum by (cluster, queue) (increase({started}[{over}])) > 0"""


def _growing(context: Context) -> str:
    waiting = context.series(_WAITING, labels=("queue",))
    over = format_duration(context.over)
    return f"""\
max_over_time({waiting}[{over}]) - max_over_time({waiting}[{over}] offset {over}) {context.beyond}
and on (cluster, queue) {_WAITING} >= {context.at_least}"""


def _drift(context: Context) -> str:
    drift = context.series("airwarden_celery_queue_drift_tasks")
    return f"sum by (cluster, queue) (last_over_time({drift}[{context.bridge}])) {context.beyond}"


def _share(state: str, context: Context) -> str:
    these = context.series(_TASKS, f'state="{state}"')
    every = context.series(_TASKS, _UNFINISHED)
    return f"""\
sum by (cluster) ({these}) / sum by (cluster) ({every}) {context.beyond}
and on (cluster) sum by (cluster) ({every}) >= {context.at_least}"""


def _starving(context: Context) -> str:
    starving = context.series("airwarden_pool_starving_tasks")
    return f"max by (cluster, pool) (last_over_time({starving}[{context.bridge}])) {context.beyond}"


def _slots(context: Context) -> str:
    slots = context.series("airwarden_executor_slots", 'state="open"')
    return f"sum by (cluster, executor) ({slots}) {context.beyond}"


BACKLOG = Subject(
    name="backlog",
    recordings=_recordings,
    alerts=(
        AlertRule(
            name="AirflowQueueStalled",
            component="queue",
            severity=Severity.CRITICAL,
            scopes=("queue",),
            over=timedelta(minutes=5),
            hold=timedelta(minutes=15),
            expr=_stalled,
            summary="Queue {{ $labels.queue }} of {{ $labels.cluster }} stands still",
            description=(
                "{{ $value | humanize }} tasks are queued there, none runs, and none was started for "
                "<<hold>>: no worker takes from this queue."
            ),
        ),
        AlertRule(
            name="AirflowBacklogGrowing",
            component="queue",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            scopes=("queue",),
            over=timedelta(minutes=5),
            at_least=500,
            hold=timedelta(minutes=30),
            expr=_growing,
            summary="The backlog of queue {{ $labels.queue }} on {{ $labels.cluster }} only grows",
            description=(
                "At least <<at_least>> tasks wait, and for <<hold>> every <<over>> held more of them "
                "than the one before: more work comes than is done."
            ),
        ),
        AlertRule(
            name="AirflowQueueDrift",
            component="queue",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 50"),
            units=(Unit.COUNT,),
            scopes=("queue",),
            hold=timedelta(minutes=10),
            expr=_drift,
            summary=(
                "{{ $value | humanize }} tasks in queue {{ $labels.queue }} of {{ $labels.cluster }} "
                "are lost"
            ),
            description=(
                "For <<hold>> more than <<limit>> tasks were queued in the database with no message "
                "in the broker and no worker that has them. They wait until `task_queued_timeout`."
            ),
        ),
        AlertRule(
            name="AirflowScheduledShareHigh",
            component="scheduler",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 80%"),
            units=(Unit.RATIO,),
            at_least=100,
            hold=timedelta(minutes=10),
            expr=lambda c: _share("scheduled", c),
            summary=(
                "{{ $value | humanizePercentage }} of the unfinished tasks on {{ $labels.cluster }} "
                "wait for the scheduler"
            ),
            description=(
                "More than <<limit>> of at least <<at_least>> for <<hold>>: the scheduler, its pools "
                "or its parallelism hold them back, not the workers."
            ),
        ),
        AlertRule(
            name="AirflowQueuedShareHigh",
            component="queue",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 95%"),
            units=(Unit.RATIO,),
            at_least=100,
            hold=timedelta(minutes=10),
            expr=lambda c: _share("queued", c),
            summary=(
                "{{ $value | humanizePercentage }} of the unfinished tasks on {{ $labels.cluster }} "
                "wait for a worker"
            ),
            description=(
                "More than <<limit>> of at least <<at_least>> for <<hold>>: hardly anything runs of "
                "what was handed to the workers."
            ),
        ),
        AlertRule(
            name="AirflowPoolStarving",
            component="scheduler",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            scopes=("pool",),
            hold=timedelta(minutes=15),
            expr=_starving,
            summary=(
                "{{ $value | humanize }} task(s) wait for slots of pool {{ $labels.pool }} on "
                "{{ $labels.cluster }}"
            ),
            description=(
                "For <<hold>> more than <<limit>>. The pool is too small for what is scheduled in it, "
                "or its slots are held by tasks that do not end."
            ),
        ),
        AlertRule(
            name="AirflowExecutorSlotsLow",
            component="capacity",
            severity=Severity.WARNING,
            threshold=parse_threshold("< 5"),
            units=(Unit.COUNT,),
            hold=timedelta(minutes=5),
            expr=_slots,
            summary=(
                "The executor {{ $labels.executor }} of {{ $labels.cluster }} has "
                "{{ $value | humanize }} slots left"
            ),
            description=(
                "Fewer than <<limit>> for <<hold>>: `parallelism` times the schedulers is used up, "
                "and no further task is queued, however many workers are idle."
            ),
        ),
    ),
)
