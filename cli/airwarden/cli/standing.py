"""How everything stands now: one value, read from Prometheus, Alertmanager and the remediator at once.

`airwarden status` and `airwarden top` show it. What does not answer is named in it; the rest is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from airwarden.core.alerts import Severity
from airwarden.core.errors import AirwardenError, UnavailableError

if TYPE_CHECKING:
    from airwarden.core.alerts import Alert
    from airwarden.core.platform import Sample
    from airwarden.core.ports import Alertmanager, Prometheus

_T = TypeVar("_T")
#: Open incidents that are asked for; more than these nobody reads on one screen.
MOST_INCIDENTS = 50
#: Characters of why something did not answer.
_WHY = 160
_QUERIES = {
    "up": "airwarden_component_up",
    "processes": "airwarden_host_process_up",
    "heartbeats": "max by (cluster, component)"
    " (time() - airwarden_component_heartbeat_timestamp_seconds)",
    "lag": "max by (cluster) (airwarden_scheduler_lag_seconds)",
    "runs": "sum by (cluster, state) (airwarden_dag_runs)",
    "tasks": 'sum by (cluster, queue, state) (airwarden_task_instances{state=~"queued|running"})',
    "waiting": "sum by (cluster, queue) (airwarden_celery_queue_messages)",
    "consumers": "max by (cluster, queue) (airwarden_celery_queue_consumers)",
    "busy": "max by (cluster, queue) (airwarden_celery_worker_slot_utilization_ratio)",
    "worker_up": "max by (cluster, hostname) (airwarden_celery_worker_up)",
    "worker_active": "max by (cluster, hostname) (airwarden_celery_worker_tasks_active)",
    "worker_slots": "max by (cluster, hostname) (airwarden_celery_worker_concurrency)",
    "blind": "max by (cluster, collector) (airwarden_collector_success) == 0",
}
_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2, Severity.NONE: 3}


@dataclass(frozen=True, slots=True)
class ComponentStanding:
    """One kind of component of an Airflow.

    Attributes:
        component: scheduler, triggerer, dag_processor, api_server.
        up: How many work: a fresh heartbeat, or an answer.
        known: How many there are.
        stopped: Host processes of it that are frozen, exited or given up.
        heartbeat_age_seconds: Of the one whose last heartbeat is oldest; null without heartbeats.
    """

    component: str
    up: int
    known: int
    stopped: int
    heartbeat_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class QueueStanding:
    """One queue.

    Attributes:
        queue: Its name.
        waiting: Messages in the broker; null where none is read.
        queued: Task instances in state queued.
        running: Task instances in state running.
        workers: Workers that consume from it; null where none is asked.
        busy_ratio: Their slots in use, 0 to 1; null where it is not known.
    """

    queue: str
    waiting: int | None
    queued: int
    running: int
    workers: int | None
    busy_ratio: float | None


@dataclass(frozen=True, slots=True)
class WorkerStanding:
    """One Celery worker: whether it answers, tasks that it executes, its slots (null: not known)."""

    hostname: str
    up: bool
    active: int
    slots: int | None


@dataclass(frozen=True, slots=True)
class ClusterStanding:
    """One Airflow as it is measured.

    Attributes:
        cluster: Its name.
        health: `working`, `troubled` (a component is down or silent, a worker does not answer), or
            `unknown` where nothing is measured.
        components: By kind.
        queues: By name.
        workers: By hostname.
        scheduler_lag_seconds: How far scheduling is behind; null where it is not measured.
        runs: DAG runs by state, those that are open.
        blind: Collectors whose last reading failed: what they measure is old or missing.
    """

    cluster: str
    health: str
    components: tuple[ComponentStanding, ...]
    queues: tuple[QueueStanding, ...]
    workers: tuple[WorkerStanding, ...]
    scheduler_lag_seconds: float | None
    runs: Mapping[str, int]
    blind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlertStanding:
    """One firing alert; `suppressed` by a silence or by another alert."""

    alert: str
    severity: str
    cluster: str
    since: datetime
    suppressed: bool
    summary: str


@dataclass(frozen=True, slots=True)
class UnknownStanding:
    """A system that did not tell: which, and why."""

    system: str
    why: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything on one screen.

    Attributes:
        at: When it was read.
        clusters: By name.
        alerts: Those that fire, the worst first.
        incidents: Those that are open, as `airwarden incidents` lists them; at most 50.
        remediator: As `airwarden pause` prints it; null where it does not answer.
        unknown: What did not answer.
    """

    at: datetime
    clusters: tuple[ClusterStanding, ...]
    alerts: tuple[AlertStanding, ...]
    incidents: tuple[Mapping[str, Any], ...]
    remediator: Mapping[str, Any] | None
    unknown: tuple[UnknownStanding, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked; None where nothing is configured.

    Attributes:
        clusters: The names in the settings.
        remediator: Returns what a path of its API says.
    """

    clusters: Sequence[str]
    prometheus: Prometheus | None
    alertmanager: Alertmanager | None
    remediator: Callable[..., Any]


def read(sources: Sources) -> Standing:
    """Ask all sources at once, each with its own deadline; raises nothing of ours."""
    with ThreadPoolExecutor(3) as pool:
        measured = pool.submit(_told, "Prometheus", lambda: _clusters(sources), ())
        firing = pool.submit(_told, "Alertmanager", lambda: _alerts(sources.alertmanager), ())
        remedied = pool.submit(
            _told, "remediator", lambda: _remediator(sources.remediator), (None, ())
        )
    clusters, no_clusters = measured.result()
    alerts, no_alerts = firing.result()
    (remediator, incidents), no_remediator = remedied.result()
    unknown = [one for one in (no_clusters, no_alerts, no_remediator) if one is not None]
    return Standing(datetime.now(UTC), clusters, alerts, incidents, remediator, tuple(unknown))


def _told(system: str, ask: Callable[[], _T], nothing: _T) -> tuple[_T, UnknownStanding | None]:
    try:
        return ask(), None
    except AirwardenError as error:
        said = str(error).partition("\n")[0]
        return nothing, UnknownStanding(system, said if len(said) <= _WHY else said[:_WHY] + "…")


def _remediator(get: Callable[..., Any]) -> tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]:
    status: Mapping[str, Any] = get("status")
    return status, tuple(get("incidents", open="true", limit=MOST_INCIDENTS)["incidents"])


def _alerts(alertmanager: Alertmanager | None) -> tuple[AlertStanding, ...]:
    if alertmanager is None:
        raise UnavailableError("none is configured (alertmanager.url)")
    found = [_alert(one) for one in alertmanager.alerts() if _ours(one)]
    rank = {str(severity): number for severity, number in _RANK.items()}
    found.sort(key=lambda one: (one.suppressed, rank.get(one.severity, 3), one.since))
    return tuple(found)


def _ours(one: Alert) -> bool:
    """Tell our alerts by the labels that each carries, in an Alertmanager that others share."""
    ours = "component" in one.labels and "cluster" in one.labels
    return ours and one.severity is not Severity.NONE


def _alert(one: Alert) -> AlertStanding:
    return AlertStanding(
        alert=one.name,
        severity=str(one.severity),
        cluster=one.labels.get("cluster", ""),
        since=one.starts_at,
        suppressed=bool(one.suppressed_by),
        summary=one.annotations.get("summary", ""),
    )


def _clusters(sources: Sources) -> tuple[ClusterStanding, ...]:
    prometheus = sources.prometheus
    if prometheus is None:
        raise UnavailableError("none is configured (prometheus.url)")
    found = {name: prometheus.query(expression) for name, expression in _QUERIES.items()}
    names = {one.labels.get("cluster", "") for samples in found.values() for one in samples}
    return tuple(
        _cluster(name, {key: _of(samples, name) for key, samples in found.items()})
        for name in sorted((names - {""}) | set(sources.clusters))
    )


def _of(samples: Sequence[Sample], cluster: str) -> list[Sample]:
    return [one for one in samples if one.labels.get("cluster", "") == cluster]


def _cluster(name: str, found: Mapping[str, list[Sample]]) -> ClusterStanding:
    components = tuple(_components(found))
    workers = tuple(_workers(found))
    troubled = any(one.up < one.known or one.stopped for one in components)
    troubled = troubled or not all(one.up for one in workers)
    measured = any(found[key] for key in ("up", "processes", "lag"))
    return ClusterStanding(
        cluster=name,
        health="troubled" if troubled else "working" if measured else "unknown",
        components=components,
        queues=tuple(_queues(found)),
        workers=workers,
        scheduler_lag_seconds=found["lag"][0].value if found["lag"] else None,
        runs={one.labels["state"]: round(one.value) for one in found["runs"]},
        blind=tuple(sorted(one.labels["collector"] for one in found["blind"])),
    )


def _components(found: Mapping[str, list[Sample]]) -> list[ComponentStanding]:
    ages = {one.labels["component"]: one.value for one in found["heartbeats"]}
    up, processes = found["up"], found["processes"]
    kinds = sorted({one.labels["component"] for one in (*up, *processes)})
    return [
        ComponentStanding(
            component=kind,
            up=sum(one.value > 0 for one in up if one.labels["component"] == kind),
            known=sum(one.labels["component"] == kind for one in up),
            stopped=sum(one.value < 1 for one in processes if one.labels["component"] == kind),
            heartbeat_age_seconds=ages.get(kind),
        )
        for kind in kinds
    ]


def _queues(found: Mapping[str, list[Sample]]) -> list[QueueStanding]:
    keys = ("tasks", "waiting", "consumers", "busy")
    names = sorted({one.labels.get("queue", "") for key in keys for one in found[key]} - {""})
    tasks = {(one.labels.get("queue"), one.labels["state"]): one.value for one in found["tasks"]}
    by_queue = {key: {one.labels.get("queue"): one.value for one in found[key]} for key in keys[1:]}
    return [
        QueueStanding(
            queue=name,
            waiting=_whole(by_queue["waiting"].get(name)),
            queued=round(tasks.get((name, "queued"), 0)),
            running=round(tasks.get((name, "running"), 0)),
            workers=_whole(by_queue["consumers"].get(name)),
            busy_ratio=by_queue["busy"].get(name),
        )
        for name in names
    ]


def _workers(found: Mapping[str, list[Sample]]) -> list[WorkerStanding]:
    active = {one.labels["hostname"]: one.value for one in found["worker_active"]}
    slots = {one.labels["hostname"]: one.value for one in found["worker_slots"]}
    return [
        WorkerStanding(
            hostname=(host := one.labels["hostname"]),
            up=one.value > 0,
            active=round(active.get(host, 0)),
            slots=_whole(slots.get(host)),
        )
        for one in sorted(found["worker_up"], key=lambda one: one.labels["hostname"])
    ]


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
