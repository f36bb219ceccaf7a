"""The overview: is the platform well, does it meet its targets, and what is being done about it."""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.boards.overview.health import health
from airwarden.dashboards.boards.overview.load import load
from airwarden.dashboards.boards.overview.now import now
from airwarden.dashboards.boards.overview.remediation import remediation
from airwarden.dashboards.boards.overview.table import table_of_targets
from airwarden.dashboards.boards.overview.targets import targets
from airwarden.dashboards.boards.types import table_of_types
from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.layout import dashboard
from airwarden.dashboards.names import OVERVIEW, TYPES


def overview(config: DashboardConfig) -> dict[str, Any]:
    """Return the overview dashboard as data."""
    return dashboard(
        OVERVIEW,
        (
            now(),
            table_of_targets(config),
            targets(config),
            table_of_types(TYPES),
            health(config.limits),
            load(config.limits),
            remediation(),
        ),
    )
