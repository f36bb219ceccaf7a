"""What does the state of the pipelines mean for revenue, models, reports, cost and users?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import Source
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, Sized, dashboard, numbers, row
from airwarden.dashboards.names import BUSINESS, DATA, TYPES
from airwarden.dashboards.panels import (
    at_least,
    at_most,
    bars,
    override,
    stat,
    table,
    text,
    timeseries,
)
from airwarden.dashboards.queries import Query, increase, now, quantile, rate, series, top

_RISK = "airwarden_business_revenue_at_risk_dollars"
_PROCESSED = "airwarden_business_revenue_processed_dollars_total"
_TRAINED = "airwarden_ml_training_runs_total"
_MODEL = "airwarden_ml_model_last_success_timestamp_seconds"
_DELIVERED = "airwarden_report_deliveries_total"
_DELAY = "airwarden_report_delivery_delay_seconds_bucket"
_SATISFIED = "airwarden_user_satisfaction_score"
_BYTES = "airwarden_pipeline_bytes_total"
_COST = "airwarden_pipeline_cost_dollars_total"
#: Recorded for this: what a processed terabyte cost, over a day.
_PER_TERABYTE = "cluster_team:airwarden_pipeline_cost_dollars:per_terabyte1d"
_HOW = "docs/how-to/business-metrics.md"

_ADD = f"""\
A panel that says **no source configured** gets its numbers from any of these; how, with examples to copy,
stands in `{_HOW}`:

| panel | a DAG's tag | an event of your own | `business.queries` |
|---|---|---|---|
| revenue | `value:PRODUCT=DOLLARS` | yes | yes |
| models | `model:NAME` | yes | yes |
| reports | `report:GROUP`, `due:DURATION` | yes | yes |
| satisfaction | | yes | yes |
| volume, quality | OpenLineage, asset events | yes | yes |
| cost | | yes | yes |
"""


def business(config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of what pipelines are for."""
    limits = config.limits
    return dashboard(
        BUSINESS,
        (_now(limits), _revenue(limits), _models(limits), _reports(limits), _users(), _sources()),
        since="now-24h",
    )


def _now(limits: Limits) -> Section:
    good = increase(series(_TRAINED, outcome="success"))
    trained = increase(series(_TRAINED))
    on_time = increase(series(_DELIVERED, on_time="true"))
    delivered = increase(series(_DELIVERED))
    return Section(
        "Now",
        numbers(
            stat(
                "Revenue at risk",
                "Revenue that rests on what is late or failed.",
                "currencyUSD",
                [Query(f"sum({series(_RISK)})")],
                steps=at_most(max(1.0, limits.revenue_at_risk_dollars)),
                no_value=Source.BUSINESS,
            ),
            stat(
                "Revenue processed, 24 h",
                "Revenue that pipelines have processed.",
                "currencyUSD",
                [Query(increase(series(_PROCESSED), over="1d"))],
                no_value=Source.BUSINESS,
            ),
            stat(
                "Trainings that succeeded",
                "Of the trainings that ended in the window. The profile: 98.5 %.",
                "percentunit",
                [Query(f"{good} / ({trained} > 0)")],
                steps=at_least(0.985),
                decimals=1,
                no_value=Source.BUSINESS,
            ),
            stat(
                "Reports on time",
                "Of the reports delivered in the window.",
                "percentunit",
                [Query(f"{on_time} / ({delivered} > 0)")],
                steps=at_least(limits.reports_on_time_ratio),
                decimals=1,
                no_value=Source.BUSINESS,
            ),
            stat(
                "Cost per TB",
                "What a processed terabyte cost, over a day. The profile: 12 $.",
                "currencyUSD",
                [Query(f"avg({series(_PER_TERABYTE, 'team')})")],
                steps=at_most(12),
                no_value=Source.BUSINESS,
            ),
            stat(
                "Satisfaction",
                "The mean of the teams' latest surveys, 0 to 5.",
                "none",
                [Query(f"avg({series(_SATISFIED, 'team')})")],
                steps=at_least(4),
                decimals=1,
                no_value=Source.BUSINESS,
            ),
        ),
    )


def _revenue(limits: Limits) -> Section:
    return Section(
        "Revenue, volume, cost",
        (
            *row(
                timeseries(
                    "Revenue at risk by product",
                    "What rests on late or failed pipelines, the ten largest.",
                    "currencyUSD",
                    [Query(top(10, f"sum by (product) ({series(_RISK)})"), "{{product}}")],
                    limit=limits.revenue_at_risk_dollars,
                    no_value=Source.BUSINESS,
                    more=DATA,
                ),
                timeseries(
                    "Revenue processed by product",
                    "In the window, the ten largest.",
                    "currencyUSD",
                    [Query(top(10, increase(series(_PROCESSED), by="product")), "{{product}}")],
                    no_value=Source.BUSINESS,
                ),
                timeseries(
                    "Volume",
                    "Bytes that pipelines read and wrote, per second.",
                    "Bps",
                    [Query(rate(series(_BYTES, "team"), by="direction"), "{{direction}}")],
                    no_value=Source.BUSINESS,
                ),
            ),
            *row(
                bars(
                    "Cost per TB by team",
                    "What a processed terabyte cost, over a day, the twenty dearest teams.",
                    "currencyUSD",
                    [
                        Query(
                            top(20, f"max by (team) ({series(_PER_TERABYTE, 'team')})"), "{{team}}"
                        )
                    ],
                    steps=at_most(12),
                    no_value=Source.BUSINESS,
                ),
                timeseries(
                    "Cost per TB, as stated",
                    "What a source states, where it is not reckoned from cost and bytes; the ten "
                    "dearest teams.",
                    "currencyUSD",
                    [
                        Query(
                            top(
                                10,
                                "max by (team) ("
                                f"{series('airwarden_pipeline_cost_per_terabyte_dollars', 'team')})",
                            ),
                            "{{team}}",
                        )
                    ],
                    no_value=Source.BUSINESS,
                ),
                timeseries(
                    "Cost by team",
                    "What pipelines cost in the window, the ten dearest teams.",
                    "currencyUSD",
                    [Query(top(10, increase(series(_COST, "team"), by="team")), "{{team}}")],
                    no_value=Source.BUSINESS,
                ),
            ),
        ),
    )


def _models(limits: Limits) -> Section:
    return Section(
        "Models",
        row(
            timeseries(
                "Trainings",
                "Trainings that ended in the window, by how.",
                "short",
                [Query(increase(series(_TRAINED), by="outcome"), "{{outcome}}")],
                stacked=True,
                no_value=Source.BUSINESS,
                more=TYPES,
            ),
            timeseries(
                "Failed trainings by model",
                "In the window, the ten models with most.",
                "short",
                [
                    Query(
                        top(10, increase(series(_TRAINED, outcome="failed"), by="model")),
                        "{{model}}",
                    )
                ],
                no_value=Source.BUSINESS,
            ),
            timeseries(
                "Age of models",
                "Time since a model was last trained well, the ten oldest.",
                "s",
                [Query(top(10, now(series(_MODEL), by="cluster, model")), "{{model}}")],
                limit=limits.model_age_seconds,
                no_value=Source.BUSINESS,
            ),
        ),
    )


def _reports(limits: Limits) -> Section:
    on_time = increase(series(_DELIVERED, on_time="true"), by="report_group")
    delivered = increase(series(_DELIVERED), by="report_group")
    delay = quantile(0.95, series(_DELAY), by="report_group")
    return Section(
        "Reports",
        row(
            timeseries(
                "On time by group",
                "On time among those delivered in the window, the ten worst groups.",
                "percentunit",
                [Query(f"bottomk(10, {on_time} / ({delivered} > 0))", "{{report_group}}")],
                floor=limits.reports_on_time_ratio,
                maximum=1,
                no_value=Source.BUSINESS,
            ),
            timeseries(
                "Delay, p95 by group",
                "How long after it was due a report was delivered, the ten latest groups.",
                "s",
                [Query(top(10, delay), "{{report_group}}")],
                no_value=Source.BUSINESS,
            ),
            timeseries(
                "Deliveries by group",
                "Reports delivered in the window, the ten busiest groups.",
                "short",
                [Query(top(10, delivered), "{{report_group}}")],
                no_value=Source.BUSINESS,
            ),
        ),
    )


def _users() -> Section:
    answers = series("airwarden_user_satisfaction_responses_total", "team")
    return Section(
        "Users",
        row(
            bars(
                "Satisfaction by team",
                "The latest survey of each team, 0 to 5, the twenty lowest.",
                "none",
                [Query(f"bottomk(20, min by (team) ({series(_SATISFIED, 'team')}))", "{{team}}")],
                steps=at_least(4),
                maximum=5,
                no_value=Source.BUSINESS,
            ),
            timeseries(
                "Satisfaction over time",
                "The mean of the teams' surveys.",
                "none",
                [Query(f"avg({series(_SATISFIED, 'team')})", "mean")],
                maximum=5,
                no_value=Source.BUSINESS,
            ),
            timeseries(
                "Answers",
                "Answers to surveys in the window, the ten teams with most.",
                "short",
                [Query(top(10, increase(answers, by="team")), "{{team}}")],
                no_value=Source.BUSINESS,
            ),
        ),
    )


def _sources() -> Section:
    reported = now(
        series("airwarden_reported_timestamp_seconds"), by="cluster, metric, subject, source"
    )
    events = increase(series("airwarden_events_total"), by="kind, outcome")
    return Section(
        "Where it comes from",
        (
            Sized(text("How to add a source", "What each panel can be fed by.", _ADD), 8, 10),
            Sized(
                table(
                    "Oldest values",
                    "When a source last gave a value, the fifty longest ago.",
                    "s",
                    [Query(top(50, reported), instant=True)],
                    columns={
                        "metric": "Metric",
                        "subject": "Of",
                        "source": "Source",
                        "cluster": "Cluster",
                        "Value #A": "Given",
                    },
                    overrides=[override("Given", unit="s")],
                    sort_by="Given",
                    no_value=Source.BUSINESS,
                ),
                8,
                10,
            ),
            Sized(
                timeseries(
                    "Events",
                    "Events that came to the endpoint in the window, by what became of them.",
                    "short",
                    [Query(events, "{{kind}} {{outcome}}")],
                    no_value=Source.EVENTS,
                ),
                8,
                10,
            ),
        ),
    )
