"""Business metrics that the operator states by SQL or PromQL, from the settings."""

from __future__ import annotations

from airwarden.cli import composition
from airwarden.core.metrics import metric
from airwarden.core.settings import BusinessQuery, Settings
from airwarden.exporters.sources import StatedQuery
from airwarden.rules.mapping import check_expression


def place_of(index: int) -> str:
    """Return the key of a query, for messages."""
    return f"business.queries[{index}]"


def check(settings: Settings) -> None:
    """Check what only the expressions themselves say.

    Raises:
        WrongInputError: Prometheus 3 would refuse one, or its result has other labels than its metric.
    """
    for index, query in enumerate(settings.business.queries):
        if query.promql is not None:
            wanted = frozenset(metric(query.metric).labels)
            check_expression(query.promql, wanted, {}, place_of(index), key="promql")


def queries(settings: Settings, cluster: str) -> tuple[StatedQuery, ...]:
    """Return the queries of one cluster.

    Raises:
        WrongInputError: A secret cannot be read, there is no Prometheus, or an expression is wrong.
    """
    check(settings)
    return tuple(
        _query(settings, query, place_of(index))
        for index, query in enumerate(settings.business.queries)
        if settings.cluster_of(query) == cluster
    )


def _query(settings: Settings, query: BusinessQuery, place: str) -> StatedQuery:
    sql = query.sql is not None
    return StatedQuery(
        name=query.name,
        metric=query.metric,
        source=query.source,
        interval=query.interval.total_seconds(),
        timeout=query.timeout.total_seconds(),
        database=composition.stated_sql(query, place=place) if sql else None,
        sql=query.sql or "",
        prometheus=None if sql else composition.stated_prometheus(settings, query, place=place),
        promql=query.promql or "",
    )
