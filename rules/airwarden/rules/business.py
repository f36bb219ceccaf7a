"""Alerts on what the business sees: data quality, late reports, models not trained, revenue at risk.

Their metrics come from events and DAG tags: where nobody sends any, there is no series and no alert.
"""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, Subject


def _quality(context: Context) -> str:
    score = context.series("airwarden_quality_score_ratio")
    return (
        f"min by (cluster, dataset, dimension) (last_over_time({score}[{context.bridge}])) "
        f"{context.beyond}"
    )


def _late_reports(context: Context) -> str:
    over = format_duration(context.over)

    def count(*matchers: str) -> str:
        selector = context.series("airwarden_report_deliveries_total", *matchers)
        return f"sum by (cluster, report_group) (increase({selector}[{over}]))"

    late = count('on_time="false"')
    return (
        f"1 - {late} / {count()} {context.beyond}\n"
        f"and on (cluster, report_group) {count()} >= {context.at_least}"
    )


def _untrained(context: Context) -> str:
    trained = context.series("airwarden_ml_model_last_success_timestamp_seconds")
    return (
        f"time() - max by (cluster, model) (max_over_time({trained}[{context.bridge}])) "
        f"{context.beyond}"
    )


def _revenue(context: Context) -> str:
    risk = context.series("airwarden_business_revenue_at_risk_dollars")
    return f"sum by (cluster, product) (last_over_time({risk}[{context.bridge}])) {context.beyond}"


BUSINESS = Subject(
    name="business",
    alerts=(
        AlertRule(
            name="AirflowQualityScoreLow",
            component="data",
            severity=Severity.WARNING,
            threshold=parse_threshold("< 95%"),
            units=(Unit.RATIO,),
            scopes=("dataset",),
            hold=timedelta(minutes=10),
            expr=_quality,
            summary=(
                "The {{ $labels.dimension }} of {{ $labels.dataset }} on {{ $labels.cluster }} is "
                "{{ $value | humanizePercentage }}"
            ),
            description="Less than <<limit>> for <<hold>>: the data is there, and not as it should be.",
        ),
        AlertRule(
            name="AirflowReportLate",
            component="data",
            severity=Severity.WARNING,
            threshold=parse_threshold("< 99%"),
            units=(Unit.RATIO,),
            scopes=("report_group",),
            over=timedelta(days=1),
            at_least=5,
            hold=timedelta(minutes=15),
            expr=_late_reports,
            summary=(
                "{{ $value | humanizePercentage }} of the reports {{ $labels.report_group }} on "
                "{{ $labels.cluster }} were on time"
            ),
            description=(
                "Less than <<limit>> of at least <<at_least>> that were delivered within <<over>>, for "
                "<<hold>>."
            ),
        ),
        AlertRule(
            name="AirflowModelTrainingFailed",
            component="data",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 36h"),
            units=(Unit.SECONDS,),
            scopes=("model",),
            hold=timedelta(minutes=15),
            expr=_untrained,
            summary=(
                "Model {{ $labels.model }} on {{ $labels.cluster }} was last trained "
                "{{ $value | humanizeDuration }} ago"
            ),
            description=(
                "More than <<limit>> for <<hold>>, one and a half times a daily cadence: what it predicts "
                "rests on older and older data."
            ),
        ),
        AlertRule(
            name="AirflowRevenueAtRisk",
            component="data",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            scopes=("product",),
            hold=timedelta(minutes=15),
            expr=_revenue,
            summary=(
                "{{ $value | humanize }} dollars of {{ $labels.product }} on {{ $labels.cluster }} rest "
                "on what is late or failed"
            ),
            description="More than <<limit>> for <<hold>>, by what DAGs and events say of their worth.",
        ),
    ),
)
