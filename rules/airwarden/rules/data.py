"""Alerts on the data itself: older than was agreed."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, RecordingRule, Rules, Subject

_AGE = """\
time() - max by (asset, cluster, team, tier) (airwarden_asset_last_update_timestamp_seconds)"""
_CRITICAL_TIER, _OTHER_TIERS = 'tier="critical"', 'tier!="critical"'


def _freshness(context: Context) -> str:
    """Assets that are too old; those of the critical tier have an alert of their own."""
    apart = context.rules.get(CRITICAL.name) is not None
    return _too_old(context, *([_OTHER_TIERS] if apart and not context.names("tier") else []))


def _too_old(context: Context, *matchers: str) -> str:
    bridge = context.bridge
    update = context.series("airwarden_asset_last_update_timestamp_seconds", *matchers)
    updated = f"max by (cluster, asset, tier, team) (max_over_time({update}[{bridge}]))"
    if context.limit.unit is Unit.SECONDS:
        return f"time() - {updated} {context.beyond}"
    return f"""\
time() - {updated}
{context.limit.operator} on (cluster, asset) group_left ()
{context.limit.number} * max by (cluster, asset) (max_over_time(airwarden_asset_freshness_sla_seconds[{bridge}]))"""


CRITICAL = AlertRule(
    name="AirflowCriticalDataFreshnessBreach",
    component="data",
    severity=Severity.CRITICAL,
    threshold=parse_threshold("> SLA"),
    units=(Unit.SLA, Unit.SECONDS),
    scopes=("asset", "team"),
    hold=timedelta(minutes=5),
    expr=lambda c: _too_old(c, _CRITICAL_TIER),
    summary=(
        "{{ $labels.asset }} on {{ $labels.cluster }}, which is critical, is "
        "{{ $value | humanizeDuration }} old"
    ),
    description=(
        "Older than <<limit>> for <<hold>>. Whoever reads it (team {{ $labels.team }}) works with old "
        "data."
    ),
)


def _cost_per_terabyte(rules: Rules) -> tuple[RecordingRule, ...]:
    """Return what a terabyte costs each team, over a day: what costs and bytes are reported for."""
    del rules

    def day(metric: str) -> str:
        return f"sum by (cluster, team) (increase({metric}[1d]))"

    cost, moved = (
        day("airwarden_pipeline_cost_dollars_total"),
        day("airwarden_pipeline_bytes_total"),
    )
    return (
        RecordingRule(
            "cluster_team:airwarden_pipeline_cost_dollars:per_terabyte1d",
            f"{cost}\n/ ({moved} / 1e12 > 0)",
        ),
    )


DATA = Subject(
    name="data",
    recordings=_cost_per_terabyte,
    shown=(
        RecordingRule(
            "asset_cluster_team_tier:airwarden_asset_age:ratio",
            f"({_AGE})\n/ on (asset, cluster) group_left ()\n"
            "max by (asset, cluster) (airwarden_asset_freshness_sla_seconds)",
        ),
        RecordingRule(
            "cluster_team_tier:airwarden_asset_age_seconds:sum",
            f"sum by (cluster, team, tier) ({_AGE})",
        ),
        RecordingRule(
            "cluster_team_tier:airwarden_asset_age_seconds:count",
            f"count by (cluster, team, tier) ({_AGE})",
        ),
    ),
    alerts=(
        CRITICAL,
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
