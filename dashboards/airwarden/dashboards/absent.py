"""What a panel says where it has no data: which source is missing and how to add it, or that nothing of the kind is there.

Whether a panel says the truth is tested: on a live fleet with some of these sources, a panel is empty exactly
where its source is missing, or where it says that there is none now.
"""

from __future__ import annotations

from enum import Enum


class Source(Enum):
    """Something that a platform may lack; the value says how to add it."""

    ASSETS = "Register assets under `slas:` in airwarden.yaml, or tag DAGs sla:1h"
    BUSINESS = "Report it, or tag DAGs: docs/how-to/business-metrics.md"
    CANARIES = "Put the canary DAGs on the platform: docs/how-to/canaries.md"
    DEPENDENCIES = "Declare `dependencies` of the cluster in airwarden.yaml"
    EVENTS = "Let the exporter take events: docs/how-to/business-metrics.md"
    KUBERNETES = "Name the namespace under host.kubernetes: docs/how-to/run-on-kubernetes.md"
    MAPPED = "Map your exporters' series: docs/how-to/map-what-you-have.md"
    MARIADB = "Name a MariaDB server of the platform: docs/how-to/measure-more.md"
    POOLER = "Name PgBouncer's console: docs/how-to/measure-more.md"
    QUALITY = "Report quality: docs/how-to/business-metrics.md"
    STATEMENTS = "CREATE EXTENSION pg_stat_statements in the database"
    STATSD = "Point Airflow's StatsD at the exporter: docs/how-to/measure-more.md"

    @property
    def absent(self) -> str:
        """What a panel with room for a sentence says."""
        return f"No source configured. {self.value}"

    @property
    def absent_number(self) -> str:
        """What a number says; `addition` stands in its description."""
        return "no source configured"

    @property
    def addition(self) -> str:
        """How to add it, as the end of a description."""
        return f" To add a source: {self.value[0].lower()}{self.value[1:]}."


def none_now(what: str) -> str:
    """Return what a panel says that is empty while all is well, or before anything has happened."""
    return f"None now: {what}"
