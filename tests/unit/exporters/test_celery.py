"""What the broker and the workers say, and where the database says something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeBroker, FakeClock, FakeWorkers
from airwarden.core.errors import RejectedError
from airwarden.core.platform import BrokerState, Delivered
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.collectors.broker import BrokerCollector
from airwarden.exporters.collectors.celery_tasks import CeleryTasksCollector, drift
from airwarden.exporters.collectors.workers import WorkersCollector
from support.families import every


class Tables:
    """A database that knows queued and running tasks."""

    def __init__(self) -> None:
        self.queued: dict[str, int] = {}
        self.running: list[tuple[str, str, int]] = []

    def rows(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        if query == "queued_by_queue":
            return [{"queue": queue, "tasks": n} for queue, n in self.queued.items()]
        assert query == "running_hosts"
        return [{"hostname": h, "queue": q, "tasks": n} for h, q, n in self.running]

    def probe(self) -> float:
        return 0.0

    def sessions(self) -> Sequence[Any]:
        return ()


def test_a_broker_tells_what_it_delivered_and_how_full_it_is() -> None:
    broker = FakeBroker()
    broker.unacked_messages, broker.oldest_unacked = 5, 12.5
    broker.told = BrokerState(memory_used=10, memory_max=20, clients=3, rejected=1, evicted=2)
    families = BrokerCollector(broker, ["default"]).collect()
    assert every(families, "celery_unacked_messages") == {("_all",): 5}
    assert every(families, "celery_oldest_message_age_seconds") == {("_all",): 12.5}
    kind = ("redis",)
    assert every(families, "broker_memory_used_bytes") == {kind: 10}
    assert every(families, "broker_memory_max_bytes") == {kind: 20}
    assert every(families, "broker_connected_clients") == {kind: 3}
    assert every(families, "broker_rejected_connections_total") == {kind: 1}
    assert every(families, "broker_evicted_keys_total") == {kind: 2}


def test_what_a_broker_does_not_tell_is_absent() -> None:
    broker = FakeBroker()
    broker.told = BrokerState(clients=3)
    names = {family.metric.name for family in BrokerCollector(broker, ["default"]).collect()}
    assert "airwarden_broker_connected_clients" in names
    assert "airwarden_broker_evicted_keys_total" not in names


def test_depths_are_told_by_a_broker_that_refuses_to_tell_of_itself() -> None:
    class Closed(FakeBroker):
        def state(self) -> BrokerState:
            raise RejectedError("no permission")

        def delivered(self) -> Mapping[str, Delivered]:
            raise RejectedError("no permission")

    broker = Closed()
    broker.put("default", 7)
    with pytest.raises(PartialCollectError) as caught:
        BrokerCollector(broker, ["default"]).collect()
    assert every(caught.value.families, "celery_queue_messages")["default", "0"] == 7
    assert every(caught.value.families, "broker_up") == {("redis",): 1}


def test_a_queue_that_lost_its_consumers_stays_at_zero() -> None:
    clock, workers = FakeClock(), FakeWorkers()
    workers.put("a@host", queues=("default", "gpu"), reserved=2)
    collector = WorkersCollector(workers, clock, None, ("default", "idle"))
    families = collector.collect()
    counts = {("default",): 1, ("gpu",): 1, ("idle",): 0}
    assert every(families, "celery_queue_consumers") == counts
    assert every(families, "celery_worker_tasks_reserved") == {("a@host",): 2}
    began = clock.now().timestamp()
    assert every(families, "celery_worker_heartbeat_timestamp_seconds") == {("a@host",): began}
    workers.put("a@host", queues=())
    clock.advance(10)
    families = collector.collect()
    assert set(every(families, "celery_queue_consumers").values()) == {0}
    answered = every(families, "celery_worker_heartbeat_timestamp_seconds")
    assert answered == {("a@host",): began + 10}


@pytest.mark.parametrize(
    ("queued", "waiting", "taken", "lost"),
    [(10, 10, 0, 0), (10, 4, 6, 0), (10, 4, 2, 4), (10, 4, 60, 0), (3, 8, 5, -5), (0, 0, 9, 0)],
)
def test_drift_is_what_neither_the_queue_nor_a_worker_has(
    queued: int, waiting: int, taken: int, lost: int
) -> None:
    assert drift(queued, waiting, taken) == lost


def test_lost_messages_and_tasks_whose_machine_has_no_worker() -> None:
    tables, broker, workers = Tables(), FakeBroker(), FakeWorkers()
    tables.queued = {"default": 9, "kubernetes": 50}
    broker.put("default", 3)
    broker.put("default", 1, priority=6)
    workers.put("w0@node1", reserved=2)
    workers.put("w0@10.0.0.7", queues=("gpu",), reserved=40)
    tables.running = [
        ("node1.example.org", "default", 3),
        ("node2.example.org", "default", 2),
        ("10.0.0.7", "gpu", 1),
        ("10.0.0.8", "gpu", 1),
        ("", "default", 7),
        ("pod", "kubernetes", 9),
    ]
    collector = CeleryTasksCollector(tables, broker, workers, ("default", "gpu"))
    families = collector.collect()
    assert every(families, "celery_queue_drift_tasks") == {("default",): 3, ("gpu",): 0}
    assert every(families, "tasks_stuck") == {("removed_worker",): 3}

    silent = CeleryTasksCollector(tables, broker, None, ("default",)).collect()
    assert every(silent, "celery_queue_drift_tasks") == {("default",): 5}
    assert every(silent, "tasks_stuck") == {}
