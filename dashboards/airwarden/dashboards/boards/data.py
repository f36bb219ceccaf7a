"""Which data is late or about to be, and which is not good enough?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import Source
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, dashboard, numbers, row
from airwarden.dashboards.names import BUSINESS, DAG, DATA
from airwarden.dashboards.panels import (
    RED,
    YELLOW,
    any_is,
    at_least,
    at_most,
    cell_link,
    override,
    stat,
    table,
    timeseries,
)
from airwarden.dashboards.queries import (
    ASSET_AGES,
    Query,
    increase,
    mean_asset_age,
    now,
    series,
    top,
)

_LAST_UPDATE = "airwarden_asset_last_update_timestamp_seconds"
_LABELS = "cluster, asset, tier, team"
_SCORE = "airwarden_quality_score_ratio"
_CHECKS = "airwarden_quality_checks_total"

_AGE = now(series(_LAST_UPDATE, "tier", "team"), by=_LABELS)
#: Age of each asset in multiples of what it may have.
_SHARE = series(ASSET_AGES, "tier", "team")


def data(config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of freshness and quality."""
    limits = config.limits
    return dashboard(
        DATA, (_now(limits), _freshness(limits), _promises(), _quality(limits), _streams())
    )


def _now(limits: Limits) -> Section:
    return Section(
        "Now",
        numbers(
            stat(
                "Assets within their SLA",
                "Share of the registered assets whose last update is within their SLA now. The "
                "profile's target is 97 %.",
                "percentunit",
                [Query(f"avg({_SHARE} <= bool 1)")],
                steps=at_least(0.97),
                decimals=1,
                no_value=Source.ASSETS,
            ),
            stat(
                "Mean age",
                "Mean age of the registered assets. The profile's target is below 1 h.",
                "s",
                [Query(mean_asset_age())],
                steps=at_most(3600),
                no_value=Source.ASSETS,
            ),
            stat(
                "Assets past their limit",
                "Assets for which the alert's condition holds now.",
                "none",
                [Query(f"count({_SHARE} > {limits.freshness_factor:g}) or vector(0)")],
                steps=any_is(RED),
            ),
            stat(
                "At risk",
                "Promises that are about to be broken: deadlines of open runs, and assets.",
                "none",
                [Query(f"sum({series('airwarden_sla_at_risk', 'tier', 'team')})")],
                steps=any_is(YELLOW),
                no_value=Source.ASSETS,
            ),
            stat(
                "Broken",
                "Promises broken in the window.",
                "none",
                [Query(increase(series("airwarden_sla_breaches_total", "tier", "team")))],
                steps=any_is(RED),
                decimals=0,
                no_value=Source.ASSETS,
            ),
            stat(
                "Worst quality",
                "The lowest score of any dataset in any dimension.",
                "percentunit",
                [Query(f"min({series(_SCORE)})")],
                steps=at_least(limits.quality_ratio),
                decimals=1,
                no_value=Source.QUALITY,
            ),
        ),
    )


def _freshness(limits: Limits) -> Section:
    worst = top(20, _SHARE)
    percent = round((limits.freshness_factor - 1) * 100)
    return Section(
        "Freshness",
        row(
            table(
                "Stalest assets",
                "The twenty assets furthest into or beyond their SLA. At 1 the SLA is used up; the "
                f"alert fires when it is exceeded by {percent} %. An asset dag:NAME is a promise "
                "about a DAG.",
                "none",
                [
                    Query(worst, instant=True),
                    Query(f"({_AGE}) and on (cluster, asset) ({worst})", instant=True),
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
                no_value=Source.ASSETS,
            ),
            timeseries(
                "Age against SLA",
                "Age of each asset's last successful update in multiples of its SLA, the ten worst.",
                "none",
                [Query(top(10, _SHARE), "{{asset}}")],
                limit=limits.freshness_factor,
                no_value=Source.ASSETS,
            ),
            height=10,
        ),
    )


def _promises() -> Section:
    broken = series("airwarden_sla_breaches_total", "tier", "team")
    risk = series("airwarden_sla_at_risk", "tier", "team")
    failing = series("airwarden_dag_consecutive_failures", "tier", "team", dag_id="!~_overflow")
    return Section(
        "Promises",
        row(
            timeseries(
                "Broken promises by team",
                "Deadlines missed and assets that became too old, in the window, the ten teams with "
                "most.",
                "short",
                [Query(top(10, increase(broken, by="team, kind")), "{{team}} {{kind}}")],
                stacked=True,
                no_value=Source.ASSETS,
            ),
            timeseries(
                "Promises at risk by team",
                "About to be broken, the ten teams with most.",
                "short",
                [Query(top(10, f"sum by (team, kind) ({risk})"), "{{team}} {{kind}}")],
                stacked=True,
                no_value=Source.ASSETS,
            ),
            table(
                "DAGs that fail again and again",
                "The twenty DAGs with most failed runs in a row.",
                "none",
                [Query(top(20, f"max by (cluster, dag_id, tier, team) ({failing})"), instant=True)],
                columns={
                    "dag_id": "DAG",
                    "cluster": "Cluster",
                    "tier": "Tier",
                    "team": "Team",
                    "Value #A": "Failed in a row",
                },
                overrides=[
                    override("DAG", links=cell_link(DAG.name, DAG.link(dag="${__value.raw}")))
                ],
                sort_by="Failed in a row",
                no_value="no DAG fails",
            ),
            height=9,
        ),
    )


def _quality(limits: Limits) -> Section:
    score = f"min by (cluster, dataset, dimension) ({series(_SCORE)})"
    failed = increase(series(_CHECKS, outcome="failed"), by="dataset")
    return Section(
        "Quality",
        row(
            timeseries(
                "Lowest scores",
                "Quality of a dataset in one dimension, the ten worst.",
                "percentunit",
                [Query(f"bottomk(10, {score})", "{{dataset}} {{dimension}}")],
                floor=limits.quality_ratio,
                maximum=1,
                no_value=Source.QUALITY,
            ),
            timeseries(
                "Checks",
                "Checks of datasets in the window, by outcome.",
                "short",
                [Query(increase(series(_CHECKS), by="outcome"), "{{outcome}}")],
                stacked=True,
                no_value=Source.QUALITY,
            ),
            timeseries(
                "Failed checks by dataset",
                "Failed checks in the window, the ten datasets with most.",
                "short",
                [Query(top(10, failed), "{{dataset}}")],
                no_value=Source.QUALITY,
                more=BUSINESS,
            ),
        ),
    )


def _streams() -> Section:
    lag = series("airwarden_stream_lag_messages")
    short = series("airwarden_stream_under_replicated_partitions")
    return Section(
        "Streams and Spark",
        row(
            timeseries(
                "Streams' lag",
                "Messages that a consumer group has not read yet, the ten largest.",
                "short",
                [
                    Query(
                        top(10, f"sum by (consumer_group, topic) ({lag})"),
                        "{{consumer_group}} {{topic}}",
                    )
                ],
                no_value=Source.MAPPED,
            ),
            timeseries(
                "Partitions short of replicas",
                "Partitions with fewer replicas in sync than they should have, the ten worst topics.",
                "short",
                [Query(top(10, f"sum by (topic) ({short})"), "{{topic}}")],
                no_value=Source.MAPPED,
            ),
            timeseries(
                "Spark",
                "Applications and workers of the Spark master, by state.",
                "short",
                [
                    Query(
                        f"sum by (state) ({series('airwarden_spark_applications')})",
                        "applications {{state}}",
                    ),
                    Query(
                        f"sum by (state) ({series('airwarden_spark_workers')})",
                        "workers {{state}}",
                    ),
                ],
                no_value=Source.MAPPED,
            ),
        ),
        collapsed=True,
    )
