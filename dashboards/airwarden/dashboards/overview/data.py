"""Freshness of the registered assets."""

from __future__ import annotations

from airwarden.dashboards.config import Limits
from airwarden.dashboards.layout import Section, Sized
from airwarden.dashboards.panels import at_most, override, table, timeseries
from airwarden.dashboards.queries import Query, series

LAST_UPDATE = "airwarden_asset_last_update_timestamp_seconds"
SLA = "airwarden_asset_freshness_sla_seconds"


def data(limits: Limits) -> Section:
    """Return the stalest assets against their SLA."""
    labels = "cluster, asset, tier, team"
    age = f"time() - max by ({labels}) ({series(LAST_UPDATE, 'tier', 'team')})"
    sla = f"max by (cluster, asset) ({series(SLA)})"
    share = f"({age}) / on (cluster, asset) group_left () ({sla})"
    worst = f"topk(20, {share})"
    percent = round((limits.freshness_factor - 1) * 100)
    return Section(
        "Data freshness",
        (
            Sized(
                table(
                    "Stalest assets",
                    "The twenty assets furthest into or beyond their SLA. At 1 the SLA is used "
                    f"up; the alert fires when it is exceeded by {percent} %.",
                    "none",
                    [
                        Query(worst, instant=True),
                        Query(f"({age}) and on (cluster, asset) ({worst})", instant=True),
                    ],
                    columns={
                        "asset": "Asset",
                        "cluster": "Cluster",
                        "tier": "Tier",
                        "team": "Team",
                        "Value #B": "Age",
                        "Value #A": "Age / SLA",
                    },
                    overrides=[
                        override("Age", unit="s"),
                        override(
                            "Age / SLA",
                            decimals=2,
                            thresholds={
                                "mode": "absolute",
                                "steps": list(at_most(limits.freshness_factor)),
                            },
                            custom_cellOptions={"type": "color-text"},
                        ),
                    ],
                    sort_by="Age / SLA",
                    no_value="",
                ),
                12,
                9,
            ),
            Sized(
                timeseries(
                    "Age against SLA",
                    "Age of each asset's last successful update in multiples of its SLA, the ten "
                    "worst.",
                    "none",
                    [Query(f"topk(10, {share})", "{{asset}}")],
                    limit=limits.freshness_factor,
                ),
                12,
                9,
            ),
        ),
    )
