"""Alerts on runs that are late, will be late, were never made, or are fewer than usual."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.config import RuleConfig
from airwarden.rules.model import AlertRule, Context, Measure, RecordingRule, Subject

_DELAY = "airwarden_dag_run_schedule_delay_seconds"


def _delay(context: Context) -> str:
    by, over = context.by("cluster"), format_duration(context.over)

    def increase(kind: str, *further: str) -> str:
        labels = ", ".join([by, *further])
        return f"sum by ({labels}) (increase({context.series(_DELAY + kind)}[{over}]))"

    measured = f"{increase('_sum')} / {increase('_count')}"
    if context.limit.quantile is not None:
        measured = f"histogram_quantile({context.limit.quantile}, {increase('_bucket', 'le')})"
    enough = f"{increase('_count')} >= {context.at_least}"
    return f"{measured} {context.beyond}\nand on ({by}) {enough}"


def _overdue(context: Context) -> str:
    # A tier that the operator names is watched, too; all that is left is of the critical one.
    tier = () if context.names("tier") else ('tier="critical"',)
    late = context.series("airwarden_dag_runs_overdue", 'kind=~"not_created|not_started"', *tier)
    by = context.by("cluster", "team", "kind")
    # No longer than must be: while it is bridged it outlives its cause.
    bridge = format_duration(4 * context.config.scrape_interval)
    return f"sum by ({by}) (last_over_time({late}[{bridge}])) {context.beyond}"


def _at_risk(context: Context) -> str:
    risk = context.series("airwarden_sla_at_risk")
    by = context.by("cluster", "team", "kind")
    return f"sum by ({by}) (last_over_time({risk}[{context.bridge}])) {context.beyond}"


def _lost(metric: str, context: Context, *matchers: str) -> str:
    by, over = context.by("cluster", "team"), format_duration(context.over)
    increase = f"increase({context.series(metric, *matchers)}[{over}])"
    return f"sum by ({by}) ({increase}) {context.beyond}"


def _runs(_: RuleConfig) -> Measure:
    return Measure(
        "cluster:airwarden_dag_runs_ended:increase1h",
        ("cluster",),
        "sum by (cluster) (increase(airwarden_dag_runs_finished_total[1h]))",
    )


def _fewer(context: Context) -> str:
    measure = _runs(context.config)
    if context.limit.unit is not Unit.USUAL:
        return context.exceeds()
    return f"{context.exceeds()}\nand on (cluster) {measure.usual} >= {context.at_least}"


def _delayed(name: str, severity: Severity, limit: str, more: str = "") -> AlertRule:
    """Return the alert on how late runs start, with this limit."""
    return AlertRule(
        name=name,
        component="scheduler",
        severity=severity,
        threshold=parse_threshold(limit),
        units=(Unit.SECONDS,),
        quantiles=True,
        scopes=("tier", "team"),
        over=timedelta(minutes=5),
        at_least=10,
        # Longer than the range: what starts at once when a stall is over is late no more.
        hold=timedelta(minutes=10),
        keeps=False,
        expr=_delay,
        summary=(
            "Runs on {{ $labels.cluster }} start {{ $value | humanizeDuration }} after they were due"
        ),
        description=(
            "On average of at least <<at_least>> scheduled runs that started within <<over>>, more "
            f"than <<limit>> for <<hold>>.{more}"
        ),
    )


def _counted(
    name: str,
    component: str,
    expr: Callable[[Context], str],
    summary: str,
    description: str,
    *,
    severity: Severity = Severity.WARNING,
    hold: timedelta = timedelta(0),
    over: timedelta | None = None,
    kinds: bool = False,
    keeps: bool = True,
) -> AlertRule:
    """Return an alert on things of a team of which one is too many.

    Args:
        name, component, expr, summary, description, severity, hold, over, keeps: Of the alert.
        kinds: Whether its series are told apart by `kind` as well.
    """
    return AlertRule(
        name=name,
        component=component,
        severity=severity,
        threshold=parse_threshold("> 0"),
        units=(Unit.COUNT,),
        scopes=("tier", "team", *(("kind",) if kinds else ())),
        over=over,
        hold=hold,
        keeps=keeps,
        expr=expr,
        summary=summary,
        description=description,
    )


LATENESS = Subject(
    name="lateness",
    shown=(
        RecordingRule(
            f"cluster_le_team_tier:{_DELAY}_bucket:per_minute",
            f"60 * sum by (cluster, le, team, tier) (rate({_DELAY}_bucket[5m]))",
        ),
        RecordingRule(
            f"cluster_le_tier:{_DELAY}_bucket:per_minute",
            f"sum by (cluster, le, tier) (cluster_le_team_tier:{_DELAY}_bucket:per_minute)",
        ),
    ),
    alerts=(
        _delayed("AirflowScheduleDelayWarn", Severity.WARNING, "> 10s"),
        _delayed(
            "AirflowScheduleDelayCrit",
            Severity.CRITICAL,
            "> 60s",
            " Every promise about time is in danger.",
        ),
        _counted(
            "AirflowDagRunOverdue",
            "pipelines",
            _overdue,
            "{{ $value | humanize }} run(s) of critical DAGs of team {{ $labels.team }} on "
            "{{ $labels.cluster }} are overdue: {{ $labels.kind }}",
            "For <<hold>> more than <<limit>>. They are due and were not created, or were created "
            "and have not started although their DAG has room.",
            severity=Severity.CRITICAL,
            # Longer than a scheduler that is behind takes to be told of, or its symptom pages first.
            hold=timedelta(minutes=10),
            kinds=True,
            keeps=False,
        ),
        _counted(
            "AirflowSlaAtRisk",
            "data",
            _at_risk,
            "{{ $value | humanize }} promise(s) of team {{ $labels.team }} on "
            "{{ $labels.cluster }} will be broken: {{ $labels.kind }}",
            "For <<hold>> more than <<limit>>. A run under way will end after its deadline if it "
            "takes as long as usual, or an asset is nearly as old as it may become.",
            hold=timedelta(minutes=5),
            kinds=True,
        ),
        _counted(
            "AirflowDeadlineMissed",
            "data",
            lambda c: _lost("airwarden_sla_breaches_total", c, 'kind="dag"'),
            "{{ $value | humanize }} deadline(s) of team {{ $labels.team }}'s DAGs were missed on "
            "{{ $labels.cluster }}",
            "More than <<limit>> within <<over>>.",
            over=timedelta(minutes=15),
        ),
        _counted(
            "AirflowRunsNeverCreated",
            "scheduler",
            lambda c: _lost("airwarden_dag_runs_never_created_total", c),
            "{{ $value | humanize }} scheduled run(s) of team {{ $labels.team }} on "
            "{{ $labels.cluster }} were never made",
            "More than <<limit>> within <<over>>: the schedule went on without them (catchup is "
            "off), and Airflow shows nothing where they should be.",
            over=timedelta(minutes=30),
        ),
        AlertRule(
            name="AirflowRunsBelowUsual",
            component="pipelines",
            severity=Severity.WARNING,
            threshold=parse_threshold("< 0.5x usual"),
            units=(Unit.USUAL, Unit.COUNT),
            at_least=50,
            hold=timedelta(minutes=30),
            measure=_runs,
            expr=_fewer,
            summary=(
                "Only {{ $value | humanize }} DAG runs ended within an hour on {{ $labels.cluster }}"
            ),
            description=(
                "Less than <<limit>> for <<hold>>, where at least <<at_least>> are usual at this hour of "
                "the week. What does not run does not fail either: no other alert may say it."
            ),
        ),
    ),
)
