"""What people are told of an incident, as a value: a dead scheduler that is being remedied."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from airwarden.core.alerts import AlertStatus, Severity
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode
from airwarden.remediation.decide.view import AlertView, EffectView, IncidentView
from support.small_world import NOON


def alert_view(**changes: Any) -> AlertView:
    """Return the alert; without links."""
    labels = {"component": "scheduler"}
    one = AlertView(
        "AirflowSchedulerProcessDown", AlertStatus.FIRING, Severity.CRITICAL, NOON, labels
    )
    return replace(one, **changes)


def effect_view(state: AttemptState | None = AttemptState.CONFIRMED, **changes: Any) -> EffectView:
    """Return the effect in a state."""
    target, summary = "local/process/scheduler", "restart scheduler (pid 42)"
    return replace(EffectView("process.restart", target, summary, state, NOON), **changes)


def incident_view(**changes: Any) -> IncidentView:
    """Return the incident; as many alerts in all as are given."""
    one = IncidentView(
        incident_id="17",
        dedup_key="local/scheduler-restart/17",
        cluster="local",
        playbook="scheduler-restart",
        title="A scheduler is dead or frozen",
        severity=Severity.CRITICAL,
        state=IncidentState.REMEDIATING,
        mode=Mode.AUTO,
        opened_at=NOON,
        updated_at=NOON + timedelta(seconds=5),
        labels={"component": "scheduler", "cluster": "local"},
        alerts=(),
        alerts_total=len(changes.get("alerts", ())),
    )
    return replace(one, **changes)
