"""`business:`: what pipelines are worth and deliver, as the operator's own systems tell it."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from pydantic import Field, model_validator

from airwarden.core.catalogue.business import METRICS
from airwarden.core.catalogue.types import Metric, MetricType
from airwarden.core.durations import Duration
from airwarden.core.settings.access import (
    HEADER,
    TENANT,
    TENANT_HEADER,
    ClientTls,
    Credentials,
)
from airwarden.core.settings.base import HttpUrl, SecretRef, Section, wrong

#: What a query may state, by name.
STATED: dict[str, Metric] = {
    entry.name: entry
    for entry in METRICS
    if entry.type is not MetricType.HISTOGRAM
    and entry.name not in ("airwarden_reported_timestamp_seconds", "airwarden_events_total")
}
_DAY = timedelta(days=1)


class BusinessQuery(Section):
    """Gives a business or pipeline metric from a database or a Prometheus of yours."""

    secrets: ClassVar[tuple[str, ...]] = ("dsn",)
    addresses: ClassVar[tuple[str, ...]] = ("dsn",)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Names it in `airwarden_collector_success` (`query_NAME`) and as a source (`sql/NAME`)."""

    metric: str
    """A metric of the section "Business and pipelines" of the metric reference. From then on it comes
    from queries alone: events and tags no longer give it."""

    cluster: str | None = None
    """Which cluster it belongs to. None: the only one."""

    sql: str | None = Field(default=None, max_length=20_000)
    """One SELECT whose columns are the metric's labels and `value`; with a column `updated` (a timestamp)
    the age is known, too. Runs in a read-only transaction; at most 1,000 rows are read."""

    dsn: SecretRef | None = None
    """With `sql`: the connection string of a PostgreSQL database, by a role that may read what the
    statement reads and nothing else. Never Airflow's own role."""

    promql: str | None = Field(default=None, max_length=20_000)
    """A PromQL expression whose result has exactly the metric's labels, by `sum by (…)` or `max by (…)`."""

    url: HttpUrl | None = None
    """With `promql`: the Prometheus to ask. None: that of `prometheus`."""

    auth: Credentials | None = None
    """With `url`: how to sign in there, as in `prometheus.auth`."""

    tls: ClientTls | None = None
    """With `url`: what to trust and to show there, as in `prometheus.tls`."""

    tenant: str = Field(default="", pattern=TENANT)
    """With `url`: the tenant to ask for there."""

    tenant_header: str = Field(default=TENANT_HEADER, pattern=HEADER)
    """The header that names it."""

    interval: Duration = timedelta(minutes=5)
    """How often it is asked; 10 s at least."""

    timeout: Duration = timedelta(seconds=10)
    """Deadline of the connection, and of the statement: the database itself cancels it then."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.metric not in STATED:
            raise wrong("metric", f"{self.metric!r} cannot be stated: {_hint(self.metric)}")
        if (self.sql is None) == (self.promql is None):
            raise ValueError("give exactly one of sql and promql")
        if (self.sql is None) != (self.dsn is None):
            raise ValueError("sql and dsn_file (or dsn_env) go together")
        if self.url is not None and self.promql is None:
            raise wrong("url", "is for promql alone")
        for name in ("auth", "tls", "tenant"):
            if getattr(self, name) and self.url is None:
                raise wrong(name, "is for a Prometheus of its own: give its url, too")
        if self.interval < timedelta(seconds=10):
            raise wrong("interval", "asks more often than every 10 s")
        if not timedelta(0) < self.timeout <= timedelta(minutes=5):
            raise wrong("timeout", "expected more than 0 and 5m at most")
        return self

    @property
    def source(self) -> str:
        """How its values are marked."""
        return f"{'sql' if self.sql is not None else 'promql'}/{self.name}"


class Business(Section):
    """Business and pipeline metrics: from events (`exporter.events`), DAG tags, asset events, queries."""

    keep: Duration = 2 * _DAY
    """For how long a number that nobody has renewed is shown. When it was last given is shown for
    longer, so that an alert can tell of it. Times (`…_timestamp_seconds`) are always shown."""

    report_due: Duration = timedelta(hours=1)
    """When the report of a DAG with a tag `report:GROUP` is due after its run is, where it has no tag
    `due:DURATION`."""

    queries: tuple[BusinessQuery, ...] = Field(default=(), max_length=50)
    """Metrics stated by SQL or PromQL."""

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [query.name for query in self.queries]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise wrong(f"queries[{index}].name", f"{name!r} is given twice")
        return self


def _hint(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, STATED, n=1)
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(STATED)}"
