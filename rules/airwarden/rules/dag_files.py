"""Alerts on the way from a file to a DAG: broken files, slow parsing, DAGs that are gone."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, RecordingRule, Rules, Subject

_THERE = "cluster:airwarden_dags_there:sum"


def _recordings(_: Rules) -> tuple[RecordingRule, ...]:
    there = 'sum by (cluster) (airwarden_dags{status=~"active|paused"})'
    return (RecordingRule(_THERE, there),)


def _import_errors(context: Context) -> str:
    errors = context.series("airwarden_dag_import_errors")
    return f"max by (cluster, bundle) (last_over_time({errors}[{context.bridge}])) {context.beyond}"


def _parse_age(context: Context) -> str:
    age = context.series("airwarden_dag_file_oldest_parse_age_seconds")
    return f"max by (cluster, bundle) (max_over_time({age}[{context.bridge}])) {context.beyond}"


def _vanished(context: Context) -> str:
    # Whoever pauses a DAG keeps it: only the sum can fall.
    now = context.series(_THERE, labels=())
    before = f"max_over_time({now}[{format_duration(context.over)}])"
    return f"1 - {now} / {before} {context.beyond}\nand on (cluster) {before} >= {context.at_least}"


def _unowned(context: Context) -> str:
    there = context.series(_THERE, labels=())
    unowned = f"max by (cluster) ({context.series('airwarden_dags_unowned')})"
    # Where none belongs to a team, teams are not in use.
    return (
        f"{unowned} / {there} {context.beyond}\n"
        f"and on (cluster) {there} >= {context.at_least}\n"
        f"and on (cluster) {unowned} < {there}"
    )


DAG_FILES = Subject(
    name="dag_files",
    recordings=_recordings,
    alerts=(
        AlertRule(
            name="AirflowImportErrors",
            component="dag-processor",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 0"),
            units=(Unit.COUNT,),
            scopes=("bundle",),
            hold=timedelta(minutes=5),
            expr=_import_errors,
            summary=(
                "{{ $value | humanize }} file(s) of bundle {{ $labels.bundle }} on "
                "{{ $labels.cluster }} cannot be imported"
            ),
            description=(
                "For <<hold>> more than <<limit>>. Their DAGs run on as they were parsed last, or are "
                "gone."
            ),
        ),
        AlertRule(
            name="AirflowDagParseSlow",
            component="dag-processor",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 10m"),
            units=(Unit.SECONDS,),
            scopes=("bundle",),
            hold=timedelta(minutes=15),
            expr=_parse_age,
            summary=(
                "A file of bundle {{ $labels.bundle }} on {{ $labels.cluster }} was last parsed "
                "{{ $value | humanizeDuration }} ago"
            ),
            description=(
                "More than <<limit>> for <<hold>>: changes take as long to arrive, and so do new DAGs."
            ),
        ),
        AlertRule(
            name="AirflowDagsVanished",
            component="dag-processor",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 5%"),
            units=(Unit.RATIO,),
            over=timedelta(minutes=30),
            at_least=20,
            hold=timedelta(minutes=5),
            expr=_vanished,
            summary="{{ $value | humanizePercentage }} of the DAGs on {{ $labels.cluster }} are gone",
            description=(
                "More than <<limit>> of at least <<at_least>> that were there within <<over>>, for "
                "<<hold>>. They are marked stale: nothing schedules them, and nothing fails."
            ),
        ),
        AlertRule(
            name="AirflowDagsUnowned",
            component="pipelines",
            severity=Severity.INFO,
            threshold=parse_threshold("> 10%"),
            units=(Unit.RATIO,),
            at_least=20,
            hold=timedelta(hours=1),
            expr=_unowned,
            summary=(
                "{{ $value | humanizePercentage }} of the DAGs on {{ $labels.cluster }} belong to no team"
            ),
            description=(
                "More than <<limit>> of at least <<at_least>> for <<hold>>, while others have teams. What "
                "fires for them goes to the default channel and pager."
            ),
        ),
    ),
)
