"""Where the database and Celery disagree: messages that were lost, and tasks without a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airwarden.core.platform import Worker
from airwarden.core.ports import Broker, MetadataDatabase, Workers
from airwarden.exporters.families import Family, Labels, gauge


class CeleryTasksCollector:
    """Compares queued tasks with messages, and running tasks with machines where workers answer.

    Args:
        database: Tells what Airflow believes.
        broker: Tells what waits.
        workers: Tells what was taken and not begun, and where workers are; None: nobody tells.
        queues: Celery's queues; tasks of others are another executor's.
    """

    name = "celery_tasks"
    interval = 30.0
    timeout = 20.0

    def __init__(
        self,
        database: MetadataDatabase,
        broker: Broker,
        workers: Workers | None,
        queues: Sequence[str],
    ) -> None:
        self._database = database
        self._broker = broker
        self._workers = workers
        self._queues = tuple(queues)

    def collect(self) -> Sequence[Family]:
        """Return the drift of each queue, and running tasks whose machine has no worker."""
        workers = self._workers.workers() if self._workers is not None else ()
        queued = {row["queue"]: row["tasks"] for row in self._database.rows("queued_by_queue")}
        waiting: dict[str, int] = dict.fromkeys(self._queues, 0)
        for (queue, _), messages in self._broker.queue_depths(self._queues).items():
            waiting[queue] += messages
        families = [
            gauge(
                "airwarden_celery_queue_drift_tasks",
                {
                    (queue,): drift(queued.get(queue, 0), waiting[queue], _taken(queue, workers))
                    for queue in self._queues
                },
            )
        ]
        if workers:
            families.append(gauge("airwarden_tasks_stuck", self._without_worker(workers)))
        return families

    def _without_worker(self, workers: Sequence[Worker]) -> Mapping[Labels, float]:
        machines = {_machine(worker.hostname.rpartition("@")[2]) for worker in workers}
        lost = sum(
            row["tasks"]
            for row in self._database.rows("running_hosts")
            if row["queue"] in self._queues
            and row["hostname"]
            and _machine(row["hostname"]) not in machines
        )
        return {("removed_worker",): lost}


def drift(queued: int, waiting: int, taken: int) -> int:
    """Return how many tasks are queued without a message; below 0: messages without a task.

    Args:
        queued: Tasks that the database holds as queued.
        waiting: Messages in the queue.
        taken: Messages that workers of the queue have taken and not begun, those of their other
            queues included: what may be of this queue is not called lost.
    """
    missing = queued - waiting
    return max(0, missing - taken) if missing > 0 else missing


def _taken(queue: str, workers: Sequence[Worker]) -> int:
    return sum(worker.reserved for worker in workers if queue in worker.queues)


def _machine(hostname: str) -> str:
    """Return a host's short name: Airflow writes the full one, Celery often the short one."""
    parts = hostname.lower().split(".")
    return hostname if all(part.isdigit() for part in parts) else parts[0]
