"""The systems beside Airflow's API and database: broker, workers, host, dependencies, the remediator."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from airwarden.adapters.secrets import read_secret
from airwarden.cli import composition
from airwarden.cli.composition import ClusterPorts
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.cli.operator import Operator
from airwarden.core.errors import AirwardenError
from airwarden.core.settings import Mode, SecretRef, Settings


def attempt(system: str, subject: str, ask: Callable[[], str], mend: str) -> Finding:
    """Make a finding of a call that returns a sentence or raises one of our errors."""
    try:
        return Finding(system, subject, Outcome.OK, ask())
    except AirwardenError as error:
        return Finding(system, subject, Outcome.FAILED, str(error), mend)


def probe_broker(system: str, ports: ClusterPorts) -> Iterator[Finding]:
    """Yield whether the broker answers and which workers do."""
    broker, settings = ports.broker, ports.cluster.broker
    if broker is None or settings is None:
        yield Finding(
            system,
            "broker",
            Outcome.OFF,
            "not configured: queue depth, broker outage and silent workers are not seen",
            "clusters[].broker.url, where Celery is the executor",
        )
        return

    def ask() -> str:
        seconds = broker.ping()
        waiting = sum(broker.queue_depths(settings.queues).values())
        return f"answers in {seconds * 1000:.0f} ms; {waiting} messages wait"

    found = attempt(system, "broker", ask, "check clusters[].broker.url")
    yield found
    if ports.workers is None or found.outcome is not Outcome.OK:
        return
    try:
        workers = ports.workers.workers()
    except AirwardenError as error:
        yield Finding(system, "workers", Outcome.LIMITED, str(error), "is remote control enabled?")
        return
    names = ", ".join(sorted(worker.hostname for worker in workers))
    yield Finding(
        system,
        "workers",
        Outcome.OK if workers else Outcome.LIMITED,
        f"{len(workers)} answer: {names}" if workers else "no worker answers",
        "" if workers else "are workers running, with remote control enabled?",
    )


def probe_pooler(system: str, ports: ClusterPorts) -> Iterator[Finding]:
    """Yield whether the console of a configured PgBouncer answers."""
    pooler = ports.pooler
    if pooler is not None:
        yield attempt(
            system,
            "pools",
            lambda: f"answers; {len(pooler.pools())} pools",
            "check pgbouncer_dsn; the role belongs in PgBouncer's stats_users",
        )


def probe_mariadb(system: str, ports: ClusterPorts) -> Iterator[Finding]:
    """Yield whether a configured MariaDB server answers."""
    mariadb = ports.mariadb
    if mariadb is not None:
        yield attempt(
            system,
            "server",
            lambda: f"answers; {mariadb.state().connected} sessions",
            "check clusters[].mariadb.dsn; the role needs PROCESS and REPLICA MONITOR",
        )


def probe_host(system: str, ports: ClusterPorts) -> Iterator[Finding]:
    """Yield whether the supervisor answers and knows the processes that are listed."""
    host = ports.host
    if host is None:
        yield Finding(
            system,
            "host",
            Outcome.OFF,
            "not configured: components are watched, and restarted by nobody",
            "clusters[].host.supervisord, clusters[].host.systemd or clusters[].host.kubernetes",
        )
        return

    def ask() -> str:
        processes = host.processes()
        if not processes:
            return "answers; none of its processes is Airflow's, as it is configured"
        listed = ", ".join(f"{p.name} {p.state.value}" for p in processes)
        return f"answers; {listed}"

    yield attempt(
        system,
        "host",
        ask,
        "check url, username and password of supervisord, the units, or the Role in the namespace",
    )


def probe_dependencies(settings: Settings) -> Iterator[Finding]:
    """Yield whether each dependency answers its probe now."""
    for dependency in settings.dependencies:
        if dependency.probe is None:
            continue
        up = composition.probe(dependency.probe).check()
        yield Finding(
            f"{settings.cluster_of(dependency)}: dependency {dependency.name}",
            "probe",
            Outcome.OK if up else Outcome.LIMITED,
            "answers" if up else "does not answer its probe",
            "" if up else "it may be down now; else check the probe's address",
        )


def probe_remediator(settings: Settings) -> Iterator[Finding]:
    """Yield whether the remediator's tokens and journal are to be had, and what it may do."""
    system = "remediator"
    for name in ("webhook_token", "api_token"):
        yield readable(
            system, f"{name} is", getattr(settings.remediator, name), f"remediator.{name}"
        )
    yield _journal(system, settings.remediator.journal.url)
    mode = settings.remediator.mode.value
    sentence = {
        "off": "acts on nothing and plans nothing",
        "shadow": "plans and records what it would do, and does nothing",
        "approve": "acts after an operator has approved",
        "auto": "acts alone where a playbook's mode allows it",
    }[mode]
    yield Finding(system, "mode", Outcome.OK, f"{mode}: {sentence}")
    if settings.remediator.mode in (Mode.APPROVE, Mode.AUTO):
        yield from _unearned(system, settings)


def _unearned(system: str, settings: Settings) -> Iterator[Finding]:
    """Yield which playbooks act without having earned it, as the running remediator counts."""
    subject = "earned"
    try:
        found = Operator(settings).get("playbooks")["playbooks"]
    except AirwardenError as error:
        yield Finding(
            system,
            subject,
            Outcome.LIMITED,
            f"what the playbooks have earned is not known: {error}",
            "start the remediator, then ask again",
        )
        return
    overridden = [one for one in found if one["override"]]
    for one in overridden:
        yield Finding(
            system,
            f"{one['playbook']} in {one['cluster']}",
            Outcome.EXCESS,
            f"acts in mode {one['mode']} without having earned it, by {one['override']}",
            f"airwarden scorecard {one['playbook']}",
        )
    if not overridden:
        yield Finding(system, subject, Outcome.OK, "no playbook acts without having earned it")


def readable(system: str, subject: str, reference: SecretRef | None, place: str) -> Finding:
    """Make a finding of whether a secret can be read."""
    if reference is None:
        return Finding(
            system,
            subject,
            Outcome.OFF,
            "not configured: the remediator does not start without (airwarden up makes one)",
            f"{place}_file",
        )
    return attempt(
        system,
        subject,
        lambda: f"readable from {read_secret(reference, place=place) and reference.describe()}",
        f"put it there, or change {place}_file",
    )


def _journal(system: str, reference: SecretRef) -> Finding:
    url = reference.literal or ""
    if not url.startswith("sqlite:///"):
        return readable(system, "journal is", reference, "remediator.journal.url")
    path = Path(url.removeprefix("sqlite:///"))
    nearest = next(parent for parent in path.parents if parent.exists())
    if os.access(path if path.exists() else nearest, os.W_OK):
        return Finding(system, "journal is", Outcome.OK, f"SQLite, {path}")
    return Finding(
        system,
        "journal is",
        Outcome.FAILED,
        f"{path} cannot be written",
        "give the folder to the user that runs Airwarden, or change remediator.journal.url",
    )
