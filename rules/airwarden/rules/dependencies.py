"""Alerts on what the pipelines need and Airflow does not own."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.rules.model import AlertRule, Subject

DEPENDENCIES = Subject(
    name="dependencies",
    alerts=(
        AlertRule(
            name="AirflowDependencyDown",
            component="dependency",
            severity=Severity.CRITICAL,
            hold=timedelta(minutes=1),
            expr=lambda c: (
                f"max by (cluster, dependency) ({c.series('airwarden_dependency_up')}) == 0"
            ),
            scopes=("dependency",),
            summary="{{ $labels.dependency }}, which DAGs of {{ $labels.cluster }} need, is down",
            description=(
                "Its probe failed for <<hold>>. Every task that needs it fails and burns a retry "
                "until its starts are held back."
            ),
        ),
    ),
)
