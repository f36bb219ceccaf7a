"""Whether what is promised of data exists: an asset or DAG that Airflow does not know ages unseen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Protocol

from airwarden.cli import composition
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.core.errors import AirwardenError
from airwarden.core.settings import Cluster, Settings, Sla
from airwarden.exporters.rest_reads import RestQueries


class Rows(Protocol):
    """Answers a query by its name, as the exporter asks it."""

    def rows(self, query: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        """Return the rows."""
        ...


def probe_promises(settings: Settings) -> Iterator[Finding]:
    """Yield, for each cluster with entries of `slas`, whether their assets and DAGs are there."""
    for cluster in settings.clusters:
        slas = [sla for sla in settings.slas if settings.cluster_of(sla) == cluster.name]
        if not slas:
            continue
        system = f"{cluster.name}: slas"
        try:
            with _source(cluster) as source:
                yield from promised(system, slas, source)
        except AirwardenError as error:
            yield Finding(system, "assets and DAGs", Outcome.FAILED, f"not read: {error}")


@contextmanager
def _source(cluster: Cluster) -> Iterator[Rows]:
    measures = composition.measured(cluster)
    if measures is not None:
        yield RestQueries(measures)
        return
    place = f"clusters[{cluster.name}].metadata_database"
    database = composition.database(cluster, place=place)
    if database is None:
        raise AssertionError("what is not measured over REST has a database")
    with closing(database):
        yield database


def promised(system: str, slas: Sequence[Sla], source: Rows) -> Iterator[Finding]:
    """Yield one finding for each promise.

    Raises:
        AirwardenError: They cannot be read.
    """
    assets, dags = ([sla.asset for sla in slas if sla.asset], [sla.dag for sla in slas if sla.dag])
    known = source.rows("assets", names=assets) if assets else ()
    names = {str(name) for row in known for name in (row["name"], row["uri"])}
    ended = source.rows("last_successes", dags=dags) if dags else ()
    succeeded = {str(row["dag_id"]) for row in ended if row["updated"] is not None}
    for sla in slas:
        subject = sla.asset or sla.dag or ""
        if subject in (names if sla.asset else succeeded):
            yield Finding(system, subject, Outcome.OK, "is watched")
        elif sla.asset:
            said = "Airflow has no asset of this name or URI: nobody is told when it is old"
            yield Finding(system, subject, Outcome.LIMITED, said, f"name {subject} as Airflow does")
        else:
            said = "has no run that ended well: until it has one, nobody is told when it is late"
            mend = f"is {subject} the dag_id, and does it run?"
            yield Finding(system, subject, Outcome.LIMITED, said, mend)
