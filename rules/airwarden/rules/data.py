"""Alerts on the data itself: older than was agreed."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, Subject


def _freshness(context: Context) -> str:
    bridge = context.bridge
    updated = (
        "max by (cluster, asset, tier, team) "
        f"(max_over_time({context.series('airwarden_asset_last_update_timestamp_seconds')}[{bridge}]))"
    )
    if context.limit.unit is Unit.SECONDS:
        return f"time() - {updated} {context.beyond}"
    return f"""\
time() - {updated}
{context.limit.operator} on (cluster, asset) group_left ()
{context.limit.number} * max by (cluster, asset) (max_over_time(airwarden_asset_freshness_sla_seconds[{bridge}]))"""


DATA = Subject(
    name="data",
    alerts=(
        AlertRule(
            name="AirflowDataFreshnessBreach",
            component="data",
            severity=Severity.WARNING,
            threshold=parse_threshold("> SLA + 50%"),
            units=(Unit.SLA, Unit.SECONDS),
            scopes=("asset", "tier", "team"),
            hold=timedelta(hours=1),
            expr=_freshness,
            summary=(
                "{{ $labels.asset }} on {{ $labels.cluster }} is "
                "{{ $value | humanizeDuration }} old"
            ),
            description=(
                "Older than <<limit>> for <<hold>>. Whoever reads it (tier "
                "{{ $labels.tier }}, team {{ $labels.team }}) works with old data."
            ),
        ),
    ),
)
