"""Celery workers: who answers, how busy they are, and whether they take anything at all."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Collection, Iterable, Sequence

from airwarden.core.clock import Clock
from airwarden.core.errors import AirwardenError
from airwarden.core.platform import Component, ProcessState, Worker
from airwarden.core.ports import Host, Workers
from airwarden.exporters.families import Family, Labels, gauge
from airwarden.exporters.sightings import DAY, Sightings

#: Seconds for which a worker that fell silent is reported as down.
REMEMBER = 600.0
#: Queues whose consumers are counted.
MAX_QUEUES = 200


class WorkersCollector:
    """Asks over Celery's remote control; remembers who has answered."""

    name = "workers"
    interval = 10.0
    timeout = 15.0

    def __init__(
        self,
        workers: Workers,
        clock: Clock,
        host: Host | None = None,
        queues: Collection[str] = (),
    ) -> None:
        self._workers = workers
        self._clock = clock
        self._host = host
        self._seen: dict[str, float] = {}
        self._answered: dict[str, float] = {}
        self._queues = Sightings(clock, keep=DAY, most=MAX_QUEUES, always=queues)

    def collect(self) -> Sequence[Family]:
        """Return each worker's state and the shares of slots in use."""
        workers = self._workers.workers()
        now = self._clock.elapsed()
        moment = self._clock.now().timestamp()
        for worker in workers:
            self._seen[worker.hostname] = now
            self._answered[worker.hostname] = moment
        self._forget(now)
        answering = {worker.hostname for worker in workers}
        up: dict[Labels, float] = {(name,): int(name in answering) for name in sorted(self._seen)}
        families = [
            gauge("airwarden_celery_worker_up", up),
            gauge(
                "airwarden_celery_worker_tasks_active", {(w.hostname,): w.active for w in workers}
            ),
            gauge(
                "airwarden_celery_worker_concurrency",
                {(w.hostname,): w.concurrency for w in workers},
            ),
            gauge(
                "airwarden_celery_worker_queues", {(w.hostname,): len(w.queues) for w in workers}
            ),
            gauge(
                "airwarden_celery_worker_tasks_reserved",
                {(w.hostname,): w.reserved for w in workers},
            ),
            gauge(
                "airwarden_celery_worker_heartbeat_timestamp_seconds",
                {(name,): round(at, 3) for name, at in sorted(self._answered.items())},
            ),
            gauge("airwarden_celery_queue_consumers", self._consumers(workers)),
            gauge("airwarden_celery_worker_slot_utilization_ratio", _by_queue(workers)),
        ]
        if (ratio := _utilization(workers)) is not None:
            families.append(gauge("airwarden_cluster_utilization_ratio", {("slots",): ratio}))
        return families

    def _forget(self, now: float) -> None:
        """Drop workers that have been silent for long, or whose process was stopped on purpose."""
        stopped = self._stopped()
        for name in [
            n for n, at in self._seen.items() if now - at > REMEMBER or (at < now and n in stopped)
        ]:
            del self._seen[name]
            del self._answered[name]

    def _consumers(self, workers: Sequence[Worker]) -> dict[Labels, float]:
        """Return how many consume from each queue; one that had a consumer stays for a day, at 0."""
        counts = Tally(queue for worker in workers for queue in worker.queues)
        self._queues.note(counts)
        return {(queue,): counts[queue] for queue in sorted(self._queues.seen())}

    def _stopped(self) -> set[str]:
        if self._host is None:
            return set()
        try:
            processes = self._host.processes(Component.WORKER)
        except AirwardenError:
            return set()
        gone = (ProcessState.STOPPED, ProcessState.STOPPING)
        return {p.celery_hostname for p in processes if p.state in gone and p.celery_hostname}


def _utilization(workers: Iterable[Worker]) -> float | None:
    """Return the share of slots in use, None where there are no slots."""
    active = slots = 0
    for worker in workers:
        active += worker.active
        slots += worker.concurrency
    return active / slots if slots else None


def _by_queue(workers: Sequence[Worker]) -> dict[Labels, float]:
    ratios: dict[Labels, float] = {}
    for queue in sorted({queue for worker in workers for queue in worker.queues}):
        ratio = _utilization(worker for worker in workers if queue in worker.queues)
        if ratio is not None:
            ratios[(queue,)] = ratio
    return ratios
