"""What only a site's own exporters tell: mapped (`clusters[].mapped`), never collected by us."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_GAUGE = MetricType.GAUGE
_KAFKA, _SPARK = "kafka-exporter", "spark"

METRICS = (
    Metric(
        "airwarden_stream_lag_messages",
        _GAUGE,
        ("consumer_group", "topic"),
        "Messages that a consumer group has not read yet.",
        f"mapped: preset {_KAFKA}",
    ),
    Metric(
        "airwarden_stream_under_replicated_partitions",
        _GAUGE,
        ("topic",),
        "Partitions with fewer replicas in sync than they should have.",
        f"mapped: preset {_KAFKA}",
    ),
    Metric(
        "airwarden_spark_applications",
        _GAUGE,
        ("state",),
        "Applications on a Spark master by state: running, waiting for cores.",
        f"mapped: preset {_SPARK}",
    ),
    Metric(
        "airwarden_spark_workers",
        _GAUGE,
        ("state",),
        "Workers of a Spark master by state: alive, lost.",
        f"mapped: preset {_SPARK}",
    ),
)
