"""An alert's `dashboard_url` leads to the dashboard of its subject."""

from __future__ import annotations

from airwarden.dashboards.names import BOARDS
from airwarden.rules.catalogue import ALERTS
from airwarden.rules.render_prometheus import DASHBOARDS, OVERVIEW


def test_every_address_in_an_alert_is_that_of_a_dashboard() -> None:
    there = {board.uid for board in BOARDS}
    assert {OVERVIEW, *DASHBOARDS.values()} <= there


def test_no_component_is_named_that_no_alert_has() -> None:
    assert set(DASHBOARDS) <= {alert.component for alert in ALERTS.values()}
