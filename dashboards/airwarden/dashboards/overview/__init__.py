"""The overview: is the platform well, does it meet its targets, and what is being done about it."""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.layout import dashboard
from airwarden.dashboards.overview.data import data
from airwarden.dashboards.overview.health import database_and_broker, health
from airwarden.dashboards.overview.load import load
from airwarden.dashboards.overview.now import now
from airwarden.dashboards.overview.remediation import itself, remediation
from airwarden.dashboards.overview.targets import targets
from airwarden.dashboards.overview.types import pipeline_types

UID = "airwarden-overview"


def overview(config: DashboardConfig) -> dict[str, Any]:
    """Return the overview dashboard as data."""
    return dashboard(
        uid=UID,
        title="Airwarden / Overview",
        description="Health, targets and remediation of the Airflow platforms that Airwarden watches.",
        sections=(
            now(),
            targets(config),
            pipeline_types(),
            health(config.limits),
            load(config.limits),
            database_and_broker(config.limits),
            data(config.limits),
            remediation(),
            itself(),
        ),
    )
