"""What one remediation may reach and what it is about: handed to every action and check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airwarden.core.clock import Clock
from airwarden.core.ports import (
    Airflow,
    Broker,
    Host,
    MetadataDatabase,
    Probe,
    Prometheus,
    SessionEnder,
    Workers,
)

#: A JSON object as it is stored in the journal.
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dependency:
    """An external system that DAGs rely on, as the operator declared it.

    Attributes:
        name: Also the value of the DAG tag `depends:NAME`.
        pools: Pools whose slots stand for calls to it.
        tags: DAG tags that mark its users, beside `depends:NAME`.
        floor: Slots that stay open for the canary while the breaker is open; at least 1.
        probe: Whether it answers now; None where only clustered failures tell.
    """

    name: str
    pools: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    floor: int = 1
    probe: Probe | None = None


@dataclass(frozen=True, slots=True)
class World:
    """One cluster's ports. A port is None where the platform lacks it or none is configured."""

    cluster: str
    clock: Clock
    airflow: Airflow | None = None
    database: MetadataDatabase | None = None
    session_ender: SessionEnder | None = None
    broker: Broker | None = None
    workers: Workers | None = None
    host: Host | None = None
    prometheus: Prometheus | None = None
    dependencies: Mapping[str, Dependency] = field(default_factory=dict)

    def has(self, need: str) -> bool:
        """Return whether the port of that attribute name is there."""
        return getattr(self, need, None) is not None


@dataclass(frozen=True, slots=True)
class Subject:
    """What an incident is about.

    Attributes:
        labels: The labels that all its firing alerts share.
        started_at: Since when the fault is seen: the first firing alert's start, or, for a retry,
            when the previous remedy was found not to have helped.
        alerts: The labels of each firing alert, for where they name the target in different ways.
    """

    incident_id: str
    playbook: str
    labels: Mapping[str, str]
    started_at: datetime
    alert_names: tuple[str, ...] = ()
    alerts: tuple[Mapping[str, str], ...] = ()
