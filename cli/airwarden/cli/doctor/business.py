"""Whether the sources of business metrics answer: the queries that the operator states, the endpoint."""

from __future__ import annotations

from collections.abc import Iterator

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.secrets import read_secret
from airwarden.cli import stated
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.core.errors import AirwardenError, WrongInputError
from airwarden.core.settings import Settings
from airwarden.exporters.collectors.stated import StatedCollector
from airwarden.exporters.reported import ReportedValues
from airwarden.exporters.sources import StatedQuery


def probe_business(settings: Settings) -> Iterator[Finding]:
    """Yield what each query gives now, and whether the endpoint has its token."""
    for cluster in settings.clusters:
        system = f"{cluster.name}: business metrics"
        try:
            queries = stated.queries(settings, cluster.name)
        except WrongInputError as error:
            yield Finding(system, error.place, Outcome.FAILED, error.message, error.hint)
            continue
        for query in queries:
            yield _asked(system, query)
    events = settings.exporter.events
    if events is None:
        yield Finding(
            "exporter",
            "events",
            Outcome.OFF,
            "not taken: pipelines cannot report revenue, quality, bytes or cost by themselves",
            "exporter.events.token_file",
        )
        return
    try:
        read_secret(events.token, place="exporter.events.token")
    except AirwardenError as error:
        yield Finding("exporter", "events", Outcome.FAILED, str(error), "put the token there")
    else:
        yield Finding("exporter", "events", Outcome.OK, "taken from whoever shows the token")


def _asked(system: str, query: StatedQuery) -> Finding:
    values = ReportedValues(SystemClock())
    try:
        StatedCollector(query, values, SystemClock()).collect()
    except AirwardenError as error:
        mend = f"change the query {query.name}, or what its role may read"
        return Finding(system, query.name, Outcome.FAILED, str(error), mend)
    given = {family.metric.name: len(family.samples) for family in values.families()}
    number = given.get("airwarden_reported_timestamp_seconds", 0)
    return Finding(
        system,
        query.name,
        Outcome.OK if number else Outcome.LIMITED,
        f"gives {number} values of {query.metric}",
        ""
        if number
        else f"is there nothing to give? events and tags no longer give {query.metric}",
    )
