"""`normal:`: what is normal on this platform, so that thresholds within it can be named."""

from __future__ import annotations

from airwarden.core.settings.alerting import ThresholdWords
from airwarden.core.settings.base import Section
from airwarden.core.thresholds import parse_threshold


class Normal(Section):
    """Averages and peaks without a fault. The defaults are those of the profile: 15,000 DAGs, busy."""

    utilization: ThresholdWords = parse_threshold("85%")
    """Average utilization of the workers' machines."""

    utilization_peak: ThresholdWords = parse_threshold("92%")
    """Its daily peak."""

    dag_failure_rate: ThresholdWords = parse_threshold("1.2%")
    """Share of DAG runs that fail."""

    scheduler_lag: ThresholdWords = parse_threshold("3s")
    """How far scheduling is behind."""
