"""What pipelines are worth and what they deliver: from events, DAG tags, asset events, SQL and PromQL."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM
_STATED = "business.queries"
_LINEAGE = "OpenLineage events"

METRICS = (
    Metric(
        "airwarden_business_revenue_at_risk_dollars",
        _GAUGE,
        ("product",),
        "Revenue that rests on what is late or failed.",
        f"events; DAG tag value:PRODUCT=DOLLARS; {_STATED}",
    ),
    Metric(
        "airwarden_business_revenue_processed_dollars_total",
        _COUNTER,
        ("product",),
        "Revenue that pipelines have processed.",
        f"events; DAG tag value:PRODUCT=DOLLARS; {_STATED}",
    ),
    Metric(
        "airwarden_ml_training_runs_total",
        _COUNTER,
        ("outcome", "model"),
        "Trainings of a model that ended: success, failed.",
        f"events; DAG tag model:NAME; {_STATED}",
    ),
    Metric(
        "airwarden_ml_model_last_success_timestamp_seconds",
        _GAUGE,
        ("model",),
        "When a model was last trained well, as Unix time.",
        f"events; DAG tag model:NAME; {_STATED}",
    ),
    Metric(
        "airwarden_report_deliveries_total",
        _COUNTER,
        ("on_time", "report_group"),
        "Reports that were delivered, by whether they were on time: true, false.",
        f"events; DAG tags report:GROUP, due:DURATION; {_STATED}",
    ),
    Metric(
        "airwarden_report_delivery_delay_seconds",
        _HISTOGRAM,
        ("on_time", "report_group"),
        "How long after it was due a report was delivered; 0 where it was on time.",
        "events; DAG tags report:GROUP, due:DURATION",
        (0.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0),
    ),
    Metric(
        "airwarden_user_satisfaction_score",
        _GAUGE,
        ("team",),
        "How satisfied a team's users are (0 to 5), as the latest survey says.",
        f"events; {_STATED}",
    ),
    Metric(
        "airwarden_user_satisfaction_responses_total",
        _COUNTER,
        ("team",),
        "Answers that the surveys rest on.",
        f"events; {_STATED}",
    ),
    Metric(
        "airwarden_quality_score_ratio",
        _GAUGE,
        ("dataset", "dimension"),
        "Quality of a dataset in one dimension (0 to 1): completeness, assertions, or your own.",
        f"events; {_LINEAGE}; asset events; {_STATED}",
    ),
    Metric(
        "airwarden_quality_checks_total",
        _COUNTER,
        ("dataset", "outcome"),
        "Checks of a dataset: passed, failed.",
        f"events; {_LINEAGE}; asset events; {_STATED}",
    ),
    Metric(
        "airwarden_pipeline_bytes_total",
        _COUNTER,
        ("team", "direction"),
        "Bytes that a team's pipelines have read and written.",
        f"events; {_LINEAGE}; asset events; {_STATED}",
    ),
    Metric(
        "airwarden_pipeline_cost_dollars_total",
        _COUNTER,
        ("team",),
        "What a team's pipelines have cost.",
        f"events; {_STATED}",
    ),
    Metric(
        "airwarden_pipeline_cost_per_terabyte_dollars",
        _GAUGE,
        ("team",),
        "What a processed terabyte costs, where a source states it; a rule derives it from cost and"
        " bytes as cluster_team:airwarden_pipeline_cost_dollars:per_terabyte1d.",
        f"events; {_STATED}",
    ),
    Metric(
        "airwarden_reported_timestamp_seconds",
        _GAUGE,
        ("metric", "subject", "source"),
        "When a source last gave a value of one of these metrics, as Unix time; subject holds its"
        " labels' values, separated by commas. Stays when a value is no longer shown because it is old.",
        "exporter",
    ),
    Metric(
        "airwarden_events_total",
        _COUNTER,
        ("kind", "outcome"),
        "Events that came to the endpoint: accepted, repeated (its id was seen before), ignored (it"
        " held nothing that is counted), refused.",
        "exporter",
    ),
)
