"""Each line that a panel draws is an alert's threshold, after the operator's words."""

from __future__ import annotations

from dataclasses import fields

from airwarden.cli.outputs import dashboard_config, rule_config
from airwarden.core.settings import parse
from airwarden.dashboards.config import Limits

WORDS = """
alerts:
  AirflowDagFailureRateHigh: {threshold: "> 7% for 1m"}
  AirflowSchedulerLagHigh: {threshold: "> 71s for 1m"}
  AirflowDatabaseConnectionsCritical: {threshold: "> 72% for 1m"}
  AirflowTaskQueueDepthHigh: {threshold: "> 73 for 1m"}
  AirflowResourceUtilizationHigh: {threshold: "> 74% for 1m"}
  AirflowDataFreshnessBreach: {threshold: "> SLA + 75% for 1h"}
  AirflowDatabaseSlow: {threshold: "> 76s for 1m"}
  AirflowSchedulerHeartbeatLost: {threshold: "> 77s for 1m"}
  AirflowSchedulerLockHeld: {threshold: "> 78s for 1m"}
"""


def limits(text: str) -> Limits:
    settings = parse(text, source="airwarden.yaml", environ={})
    return dashboard_config(settings, rule_config(settings)).limits


def test_defaults_are_those_of_the_alerts() -> None:
    assert limits("") == Limits()


def test_every_limit_follows_its_alert() -> None:
    changed, default = limits(WORDS), Limits()
    assert changed == Limits(0.07, 71, 0.72, 73, 0.74, 1.75, 76, 77, 78)
    assert [
        f.name for f in fields(Limits) if getattr(changed, f.name) == getattr(default, f.name)
    ] == []
