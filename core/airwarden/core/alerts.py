"""An alert as Alertmanager hands it on, whichever way it came (webhook or poll)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AlertStatus(StrEnum):
    """Alertmanager's two statuses in a webhook."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """The `severity` label. `NONE` is Watchdog's."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert at one moment.

    Attributes:
        fingerprint: Alertmanager's hash of the label set, 16 hexadecimal digits.
        status: Firing or resolved.
        starts_at: When this episode began (UTC); a new episode has a new one.
        ends_at: When it ended, only if resolved.
        labels: All labels, `alertname` and `cluster` among them.
        annotations: Summary, description, runbook_url, dashboard_url.
        suppressed_by: Identifiers of silences or inhibiting alerts, from the poll only.
    """

    fingerprint: str
    status: AlertStatus
    starts_at: datetime
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    ends_at: datetime | None = None
    suppressed_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The `alertname` label."""
        return self.labels.get("alertname", "")

    @property
    def cluster(self) -> str:
        """The `cluster` label; `default` where a foreign rule set has none."""
        return self.labels.get("cluster") or "default"

    @property
    def severity(self) -> Severity:
        """The `severity` label; an unknown value counts as warning, so that it is seen."""
        try:
            return Severity(self.labels.get("severity", "warning"))
        except ValueError:
            return Severity.WARNING

    def event_key(self, source: str) -> str:
        """Return the identity of this event: the same event delivered twice has the same key.

        Args:
            source: Which Alertmanager it came from.
        """
        ended = (
            self.ends_at.isoformat() if self.ends_at and self.status is AlertStatus.RESOLVED else ""
        )
        parts = (source, self.fingerprint, self.starts_at.isoformat(), self.status.value, ended)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
