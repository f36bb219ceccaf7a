"""The six alerts of a monitoring framework in the operators' words, as overrides of ours."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from airwarden.core.alerts import Severity
from airwarden.core.errors import WrongInputError
from airwarden.core.thresholds import parse_threshold
from airwarden.rules.config import AlertOverride

#: `monitoring_framework.alerts` name → our alert.
FRAMEWORK_ALERTS: Mapping[str, str] = {
    "dag_failure_rate": "AirflowDagFailureRateHigh",
    "scheduler_lag": "AirflowSchedulerLagHigh",
    "database_connections": "AirflowDatabaseConnectionsCritical",
    "task_queue_depth": "AirflowTaskQueueDepthHigh",
    "resource_utilization": "AirflowResourceUtilizationHigh",
    "data_freshness": "AirflowDataFreshnessBreach",
}


def framework_overrides(
    alerts: Mapping[str, Mapping[str, str]], *, place: str = "monitoring_framework.alerts"
) -> Mapping[str, AlertOverride]:
    """Return alert name → override for a framework's alerts.

    Args:
        alerts: Severity → name → threshold in words, as
            `{"critical": {"scheduler_lag": ">5 minutes for 3 minutes"}}`.
        place: The key above them, for messages.

    Raises:
        WrongInputError: An unknown severity or name, a name given twice, or a wrong threshold.
    """
    overrides: dict[str, AlertOverride] = {}
    severities = {severity.value for severity in Severity} - {Severity.NONE.value}
    for severity, statements in alerts.items():
        if severity not in severities:
            raise WrongInputError(
                f"unknown severity {severity!r}",
                place=place,
                hint=f"expected one of {', '.join(sorted(severities))}",
            )
        for name, words in statements.items():
            key = f"{place}.{severity}.{name}"
            if name not in FRAMEWORK_ALERTS:
                near = difflib.get_close_matches(name, FRAMEWORK_ALERTS, 1)
                hint = f"did you mean {near[0]}?" if near else ", ".join(FRAMEWORK_ALERTS)
                raise WrongInputError(f"unknown alert {name!r}", place=key, hint=hint)
            alert = FRAMEWORK_ALERTS[name]
            if alert in overrides:
                raise WrongInputError(f"{name} is given under two severities", place=key)
            overrides[alert] = AlertOverride(
                threshold=parse_threshold(words, place=key), severity=Severity(severity)
            )
    return overrides
