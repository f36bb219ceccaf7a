"""All probes in their order, and the table that shows what they found."""

from __future__ import annotations

import contextlib
import itertools
import ssl
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import httpx

from airwarden.adapters import metadata_schemas
from airwarden.adapters.metadata_schemas import NEWEST
from airwarden.adapters.secrets import read_secret
from airwarden.cli import composition
from airwarden.cli.doctor import (
    airflow,
    business,
    coverage,
    database,
    mapped,
    monitoring,
    notifications,
    promises,
    remedies,
    systems,
)
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import AirflowApi, Cluster, MetadataDatabase, Settings

if TYPE_CHECKING:
    from rich.console import Console

OBSERVER, TERMINATOR = "airwarden_observer", "airwarden_terminator"
_STYLES = {
    Outcome.OK: "green",
    Outcome.LIMITED: "yellow",
    Outcome.EXCESS: "magenta",
    Outcome.FAILED: "bold red",
    Outcome.OFF: "dim",
}
#: What an operator has to look at; the rest is in order, or left away on purpose.
_WRONG = frozenset({Outcome.FAILED, Outcome.LIMITED, Outcome.EXCESS})


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, system by system; changes nothing anywhere."""
    for cluster in settings.clusters:
        yield from examine_airflow(cluster)
        yield from examine_database(cluster, settings)
        yield from examine_machines(cluster)
    yield from systems.probe_dependencies(settings)
    yield from monitoring.probe_monitoring(settings)
    yield from mapped.probe_mapped(settings, monitoring.prometheus(settings))
    yield from business.probe_business(settings)
    yield from promises.probe_promises(settings)
    yield from systems.probe_remediator(settings)
    yield from remedies.probe_remedies(settings)
    yield from notifications.probe_notifications(settings)


def examine_machines(cluster: Cluster) -> Iterator[Finding]:
    """Yield whether the broker, its workers and the hosts' supervisor answer."""
    try:
        ports = composition.cluster_ports(cluster)
    except WrongInputError as error:
        yield Finding(
            f"{cluster.name}: settings", error.place, Outcome.FAILED, error.message, error.hint
        )
        return
    yield from systems.probe_broker(f"{cluster.name}: celery", ports)
    yield from systems.probe_pooler(f"{cluster.name}: pgbouncer", ports)
    yield from systems.probe_mariadb(f"{cluster.name}: mariadb", ports)
    yield from systems.probe_host(f"{cluster.name}: host", ports)


def examine_airflow(cluster: Cluster) -> Iterator[Finding]:
    """Yield what the REST API lets us see and do."""
    system = f"{cluster.name}: airflow"
    try:
        tokens = composition.token_source(
            cluster.airflow, place=f"clusters[{cluster.name}].airflow"
        )
    except WrongInputError as error:
        yield Finding(system, "sign in", Outcome.FAILED, f"{error.place}: {error.message}")
        return
    with _client(cluster.airflow) as client:
        yield from airflow.probe(system, client, tokens.token)


def _client(api: AirflowApi) -> httpx.Client:
    context = ssl.create_default_context()
    if api.ca_file is not None:
        context.load_verify_locations(cafile=str(api.ca_file))
    return httpx.Client(
        base_url=api.url,
        timeout=api.timeout.total_seconds(),
        proxy=api.proxy,
        verify=context,
        trust_env=False,
    )


def examine_database(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Yield what the two database roles may see and do."""
    system = f"{cluster.name}: metadata database"
    wanted = cluster.metadata_database
    if wanted is None:
        yield from coverage.without_database(system, settings)
        return
    place = f"clusters[{cluster.name}].metadata_database"
    try:
        yield from _observer(system, wanted, place, settings)
        yield from _terminator(system, wanted, place)
    except WrongInputError as error:
        yield Finding(
            system, "connection string", Outcome.FAILED, f"{error.place}: {error.message}"
        )


def _observer(
    system: str, wanted: MetadataDatabase, place: str, settings: Settings
) -> Iterator[Finding]:
    dsn = read_secret(wanted.dsn, place=f"{place}.dsn").get_secret_value()
    timeout = wanted.connect_timeout.total_seconds()
    folder, schema = database.probe_schema(system, dsn, timeout=timeout)
    yield from database.probe_observer(
        system, dsn, database.needed(metadata_schemas.grants(OBSERVER, folder)), timeout=timeout
    )
    yield schema
    yield from coverage.of_release(system, settings, folder)


def _terminator(system: str, wanted: MetadataDatabase, place: str) -> Iterator[Finding]:
    if wanted.terminator_dsn is None:
        yield Finding(
            system,
            "end sessions",
            Outcome.OFF,
            "no second role: a session that holds the scheduler's lock is reported, not ended",
            "clusters[].metadata_database.terminator_dsn_file",
        )
        return
    dsn = read_secret(wanted.terminator_dsn, place=f"{place}.terminator_dsn").get_secret_value()
    timeout = wanted.connect_timeout.total_seconds()
    yield from database.probe_terminator(system, dsn, timeout=timeout)


def schema_folders(settings: Settings) -> list[str]:
    """Return the schemas of the configured databases; the newest where none can be told."""
    found: list[str] = []
    for cluster in settings.clusters:
        wanted = cluster.metadata_database
        if wanted is not None:
            place = f"clusters[{cluster.name}].metadata_database.dsn"
            with contextlib.suppress(WrongInputError):
                dsn = read_secret(wanted.dsn, place=place).get_secret_value()
                timeout = wanted.connect_timeout.total_seconds()
                found.append(database.probe_schema("", dsn, timeout=timeout)[0])
    return sorted(set(found)) or [NEWEST]


def roles_sql(folder: str) -> str:
    """Return the SQL that makes both database roles, for a schema."""
    return database.roles_sql(
        metadata_schemas.grants(OBSERVER, folder),
        database="airflow",
        observer=OBSERVER,
        terminator=TERMINATOR,
    )


def show(findings: Sequence[Finding], *, schemas: Sequence[str]) -> None:
    """Print the table, the mends, and the statements that make the roles for these schemas."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for system, group in itertools.groupby(findings, key=lambda finding: finding.system):
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(min_width=24)
        table.add_column(min_width=7)
        table.add_column(overflow="fold")
        for finding in group:
            result = f"[{_STYLES[finding.outcome]}]{finding.outcome.value}[/]"
            table.add_row(f"  {_plain(finding.subject)}", result, _plain(finding.sentence))
        console.print(f"[bold]{_plain(system)}[/]", highlight=False)
        console.print(table)
    # What is not configured is a choice, not a fault.
    _list(console, "What to do", [f for f in findings if f.outcome in _WRONG])
    _list(console, "What you could add", [f for f in findings if f.outcome is Outcome.OFF], "set ")
    for folder in schemas:
        releases = _plain(metadata_schemas.releases_of(folder))
        console.print(f"\n[bold]SQL that makes the two database roles (Airflow {releases})[/]")
        console.print(_plain(roles_sql(folder)), soft_wrap=True, highlight=False)


def _list(console: Console, title: str, findings: Sequence[Finding], verb: str = "") -> None:
    mends = dict.fromkeys(f"{one.system}: {verb}{one.mend}" for one in findings if one.mend)
    if mends:
        console.print(f"\n[bold]{title}[/]")
    for mend in mends:
        console.print(f"- {_plain(mend)}", soft_wrap=True)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
