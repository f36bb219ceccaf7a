"""Alerts, and the deliveries that Alertmanager makes of them."""

from __future__ import annotations

import json
from datetime import datetime

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.remediation import intake
from support.fakes import START


def alert(
    alertname: str = "MachineDown",
    *,
    name: str = "one",
    cluster: str = "lab",
    status: AlertStatus = AlertStatus.FIRING,
    starts: datetime = START,
    ends: datetime | None = None,
    severity: str = "critical",
) -> Alert:
    """An alert; its fingerprint follows from its labels."""
    full = {"alertname": alertname, "severity": severity, "cluster": cluster, "name": name}
    text = json.dumps(full, sort_keys=True)
    return Alert(
        fingerprint=intake.delivery(text.encode(), 1).digest[:16],
        status=status,
        starts_at=starts,
        labels=full,
        annotations={"summary": f"{alertname} fires"},
        ends_at=ends,
    )


def webhook(*alerts: Alert, truncated: int = 0) -> bytes:
    """The body that Alertmanager would post."""
    return json.dumps(
        {
            "version": "4",
            "status": "firing",
            "receiver": "airwarden",
            "truncatedAlerts": truncated,
            "alerts": [
                {
                    "status": one.status,
                    "labels": dict(one.labels),
                    "annotations": dict(one.annotations),
                    "startsAt": one.starts_at.isoformat(),
                    "endsAt": one.ends_at.isoformat() if one.ends_at else "0001-01-01T00:00:00Z",
                    "fingerprint": one.fingerprint,
                }
                for one in alerts
            ],
        }
    ).encode()
