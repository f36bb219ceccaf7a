"""Alerts on Airflow's metadata database: gone, slow, out of connections, lock held by an idler."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Subject

DATABASE = Subject(
    name="database",
    alerts=(
        AlertRule(
            name="AirflowDatabaseConnectionsCritical",
            component="database",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 95%"),
            units=(Unit.RATIO,),
            hold=timedelta(minutes=5),
            expr=lambda c: (
                "max by (cluster) "
                f"({c.series('airwarden_db_connection_utilization_ratio')}) {c.beyond}"
            ),
            summary=(
                "{{ $value | humanizePercentage }} of the metadata database's connections on "
                "{{ $labels.cluster }} are in use"
            ),
            description=(
                "More than <<limit>> of the connections that ordinary roles may open were in use "
                "for <<hold>>. At 100% new ones are refused: schedulers and tasks fail."
            ),
        ),
        AlertRule(
            name="AirflowDatabaseDown",
            component="database",
            severity=Severity.CRITICAL,
            hold=timedelta(minutes=1),
            expr=lambda c: f"max by (cluster) ({c.series('airwarden_db_up')}) == 0",
            summary="The metadata database of {{ $labels.cluster }} does not answer",
            description=(
                "Every probe failed for <<hold>>. Nothing is scheduled and no task can report; "
                "what Airwarden knows of this platform is as old as the outage."
            ),
        ),
        AlertRule(
            name="AirflowDatabaseSlow",
            component="database",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 1s"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=1),
            expr=lambda c: (
                f"max by (cluster) ({c.series('airwarden_db_probe_last_seconds')}) {c.beyond}"
            ),
            summary=(
                "The metadata database of {{ $labels.cluster }} takes "
                "{{ $value | humanizeDuration }} for SELECT 1"
            ),
            description=(
                "More than <<limit>> for <<hold>>. Late heartbeats and late scheduling follow from "
                "it: restarting schedulers makes it worse."
            ),
        ),
        AlertRule(
            name="AirflowSchedulerLockHeld",
            component="database",
            severity=Severity.CRITICAL,
            threshold=parse_threshold("> 30s"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=1),
            expr=lambda c: (
                "max by (cluster, application) "
                f"({c.series('airwarden_db_scheduler_lock_held_seconds')}) {c.beyond}"
            ),
            summary=(
                "An idle session of {{ $labels.application }} holds the scheduler's lock on "
                "{{ $labels.cluster }}"
            ),
            description=(
                "It has been idle in its transaction for {{ $value | humanizeDuration }}, more "
                "than <<limit>>. No scheduler can queue a task until it ends; nobody waits for it, "
                "so blocking queries show nothing."
            ),
        ),
    ),
)
