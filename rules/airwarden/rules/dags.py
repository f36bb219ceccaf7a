"""Alerts on single DAGs and operators that fail again and again; the offenders are named in the text.

One failure of a critical DAG is told, and only one that goes on wakes somebody: of a thousand runs that must
not fail some do every day, and most are well with the next run. Late data have pages of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.config import RuleConfig
from airwarden.rules.model import AlertRule, Context, Measure, Subject, Worst
from airwarden.rules.pipelines import team_burst

_IN_A_ROW = "airwarden_dag_consecutive_failures"
#: The sum of those beyond the exporter's limit is no DAG.
_A_DAG = 'dag_id!="_overflow"'
_CRITICAL, _OTHERS = 'tier="critical"', 'tier!="critical"'
#: So long after a burst of failures in a team its DAGs may still fail of it: until their next run ended.
_AFTER_A_BURST = timedelta(hours=2)


def _failing(tier: str) -> Callable[[Context], str]:
    def expression(context: Context) -> str:
        selector = context.series(_IN_A_ROW, tier, _A_DAG)
        by = context.by("cluster", "team")
        return f"count by ({by}) (\n  max by ({by}, dag_id) ({selector}) {context.beyond}\n)"

    return expression


def _keeps_failing(context: Context) -> str:
    failing = _failing(_CRITICAL)(context)
    burst = team_burst(context.rules, _AFTER_A_BURST)
    return f"{failing}\nunless on (cluster, team) (\n{burst}\n)" if burst else failing


def _worst(tier: str) -> Callable[[Context], Worst]:
    def query(context: Context) -> Worst:
        selector = f"{_IN_A_ROW}{{{tier}, {_A_DAG}, cluster=%q, team=%q}}"
        return Worst(
            f"max by (dag_id) ({selector}) {context.beyond}", ("cluster", "team"), "dag_id"
        )

    return query


def _operator_failures(_: RuleConfig) -> Measure:
    # At least one, or the first failure ever would be beyond any multiple of what is usual.
    return Measure(
        "cluster_operator:airwarden_operator_failures:increase1h",
        ("cluster", "operator"),
        "clamp_min(sum by (cluster, operator) (increase(airwarden_operator_failures_total[1h])), 1)",
    )


def _unusual_operator(context: Context) -> str:
    record = _operator_failures(context.config).record
    return f"{context.exceeds()}\nand on (cluster, operator) {record} >= {context.at_least}"


DAGS = Subject(
    name="dags",
    alerts=(
        AlertRule(
            name="AirflowCriticalDagKeepsFailing",
            component="pipelines",
            severity=Severity.CRITICAL,
            threshold=parse_threshold(">= 3"),
            units=(Unit.COUNT,),
            scopes=("dag_id", "team"),
            hold=timedelta(0),
            expr=_keeps_failing,
            worst=_worst(_CRITICAL),
            summary=(
                "{{ $value | humanize }} critical DAG(s) of team {{ $labels.team }} fail again and "
                "again on {{ $labels.cluster }}"
            ),
            description=(
                "Their last <<limit>> runs failed, with every retry used, and no burst of failures in "
                "their team explains it."
            ),
        ),
        AlertRule(
            name="AirflowCriticalDagFailed",
            component="pipelines",
            severity=Severity.WARNING,
            threshold=parse_threshold(">= 1"),
            units=(Unit.COUNT,),
            scopes=("dag_id", "team"),
            hold=timedelta(0),
            expr=_failing(_CRITICAL),
            worst=_worst(_CRITICAL),
            summary=(
                "{{ $value | humanize }} critical DAG(s) of team {{ $labels.team }} failed on "
                "{{ $labels.cluster }}"
            ),
            description="Their last <<limit>> run(s) failed, with every retry used.",
        ),
        AlertRule(
            name="AirflowDagConsecutiveFailures",
            component="pipelines",
            severity=Severity.WARNING,
            threshold=parse_threshold(">= 3"),
            units=(Unit.COUNT,),
            scopes=("dag_id", "team", "tier"),
            hold=timedelta(0),
            expr=_failing(_OTHERS),
            worst=_worst(_OTHERS),
            summary=(
                "{{ $value | humanize }} DAG(s) of team {{ $labels.team }} fail again and again on "
                "{{ $labels.cluster }}"
            ),
            description="Their last <<limit>> runs failed, with every retry used.",
        ),
        AlertRule(
            name="AirflowOperatorFailuresUnusual",
            component="pipelines",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 3x usual"),
            units=(Unit.USUAL, Unit.COUNT),
            scopes=("operator",),
            at_least=20,
            hold=timedelta(minutes=30),
            measure=_operator_failures,
            expr=_unusual_operator,
            summary=(
                "{{ $value | humanize }} attempts of {{ $labels.operator }} failed within an hour on "
                "{{ $labels.cluster }}"
            ),
            description=(
                "More than <<limit>> and at least <<at_least>> an hour, for <<hold>>, whoever's DAGs "
                "they are in. What they have in common is the operator, and the system that it calls."
            ),
        ),
    ),
)
