"""What one remediation may reach and what it is about: handed to every action and check."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from airwarden.core.clock import Clock
from airwarden.core.errors import UnavailableError
from airwarden.core.failures import Verdict
from airwarden.core.kubernetes import Kubernetes
from airwarden.core.platform import TaskInstance
from airwarden.core.ports import (
    Airflow,
    Broker,
    Commands,
    Host,
    MetadataDatabase,
    Probe,
    Prometheus,
    SessionEnder,
    Webhooks,
    Workers,
)
from airwarden.remediation.decide.autoscaling import ScalingPolicy

#: A JSON object as it is stored in the journal.
Json = Mapping[str, Any]
T = TypeVar("T")


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


class BreakerState(StrEnum):
    """The three states of a circuit breaker, spelled as pybreaker spells them."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerRecord:
    """A breaker's row in the journal.

    Attributes:
        name: `CLUSTER/NAME`.
        state: See `BreakerState`.
        opened_at: When it opened last (database's clock, UTC).
        opened_age: Seconds since then on the database's clock; None if it never opened.
        failures: Consecutive failures while closed.
        successes: Consecutive successes while half-open.
        probe: The run that a half-open breaker lets through, where runs are what it guards.
        rev: Counts the changes; the compare-and-set key.
    """

    name: str
    state: BreakerState = BreakerState.CLOSED
    opened_at: datetime | None = None
    opened_age: float | None = None
    failures: int = 0
    successes: int = 0
    probe: int | None = None
    rev: int = 0


class BreakerStore(Protocol):
    """Breakers that all replicas share."""

    def load(self, name: str) -> BreakerRecord:
        """Return the row, or a closed one with rev 0 where there is none."""
        ...

    def change(
        self,
        seen: BreakerRecord,
        *,
        state: BreakerState,
        failures: int = 0,
        successes: int = 0,
        reopened: bool = False,
    ) -> bool:
        """Write if `rev` is still the one seen; `reopened` stamps the database's time.

        Returns:
            False if another writer came first; nothing was written then.
        """
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """An effect that was begun: how many seconds ago, what was wanted, and what was there before."""

    ago: float
    parameters: Json
    before: Json


class Ledger(Protocol):
    """What has been done before, from the journal."""

    def count(self, action: str, target: str, *, within: float) -> int:
        """Return how often `action` was begun on `target` in the last `within` seconds.

        Attempts with an unknown outcome count; those that are known not to have happened do not.
        """
        ...

    def begun(self, cluster: str, actions: Collection[str], *, within: float) -> Sequence[Begun]:
        """Return what these actions have begun in the last `within` seconds, ways back too; as `count`."""
        ...


class FailureCauses(Protocol):
    """Why task attempts failed."""

    def of(self, task: TaskInstance) -> Verdict:
        """Return the one cause of a task instance's last attempt.

        Raises:
            UnavailableError: What tells cannot be read.
        """
        ...

    def known(self, task: TaskInstance) -> Verdict | None:
        """Return what `of` would without reading anything, None where it would have to."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerFleet:
    """The bounds that the operator declared for the supervised Celery workers.

    Attributes:
        minimum: Running workers below which none is ever stopped.
        maximum: Running workers above which none is started; None for as many as are supervised.
    """

    minimum: int = 1
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class World:
    """One cluster's ports. A port is None where the platform lacks it or none is configured.

    What cannot do without one asks by the property of another name: `kube` for `kubernetes`.

    `scaling` is what the operator's `auto_scaling:` block means, if there is one.
    """

    cluster: str
    clock: Clock
    airflow: Airflow | None = None
    database: MetadataDatabase | None = None
    session_ender: SessionEnder | None = None
    broker: Broker | None = None
    workers: Workers | None = None
    host: Host | None = None
    kubernetes: Kubernetes | None = None
    prometheus: Prometheus | None = None
    dependencies: Mapping[str, Dependency] = field(default_factory=dict)
    fleet: WorkerFleet = WorkerFleet()
    scaling: ScalingPolicy | None = None
    breakers: BreakerStore | None = None
    ledger: Ledger | None = None
    causes: FailureCauses | None = None
    commands: Commands | None = None
    webhooks: Webhooks | None = None

    def has(self, need: str) -> bool:
        """Return whether the port of that attribute name is there."""
        return getattr(self, need, None) is not None

    @property
    def rest(self) -> Airflow:
        """Airflow's REST API; raises UnavailableError where none is configured."""
        return _there(self.airflow, "no Airflow REST API is configured")

    @property
    def metadata(self) -> MetadataDatabase:
        """Airflow's metadata database; raises UnavailableError where none is configured."""
        return _there(self.database, "no metadata database is configured")

    @property
    def queues(self) -> Broker:
        """The broker; raises UnavailableError where none is configured."""
        return _there(self.broker, "no broker is configured")

    @property
    def celery(self) -> Workers:
        """Celery's remote control; raises UnavailableError where none is configured."""
        return _there(self.workers, "Celery's remote control is not configured")

    @property
    def supervisor(self) -> Host:
        """What starts and stops processes; raises UnavailableError where none is configured."""
        return _there(self.host, "no process supervisor is configured")

    @property
    def kube(self) -> Kubernetes:
        """Kubernetes; raises UnavailableError where none is configured."""
        return _there(self.kubernetes, "no Kubernetes is configured")


def _there(port: T | None, otherwise: str) -> T:
    if port is None:
        raise UnavailableError(otherwise)
    return port


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
