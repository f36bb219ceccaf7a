"""The `Workers` contract: a real Celery worker, and the fake."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from airwarden.adapters.broker_redis import RedisBroker
from airwarden.adapters.fakes import FakeWorkers
from airwarden.adapters.workers_celery import CeleryWorkers
from airwarden.core.errors import UnavailableError, UnknownOutcomeError
from airwarden.core.platform import Worker
from airwarden.core.ports import Workers
from support.celery_worker import CeleryWorker
from support.eventually import eventually
from support.redis import RedisServer
from support.servers import freeze

NAME = "w0@contract"


@dataclass
class Case:
    """One worker with two slots on the queue `default`, and how to make it busy."""

    workers: Workers
    occupy: Callable[[int], None]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    redis = RedisServer()
    yield redis
    redis.stop()


@pytest.fixture(scope="module")
def celery_worker(server: RedisServer) -> Iterator[CeleryWorker]:
    worker = CeleryWorker(server.url, NAME)

    def answers() -> bool:
        worker.child.check()
        return bool(CeleryWorkers(server.url).workers())

    eventually(answers, within=60, what="the worker answers")
    yield worker
    worker.stop()


@pytest.fixture(params=["fake", "real"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "fake":
        fake = FakeWorkers()
        fake.put(NAME, concurrency=2)
        return Case(fake, lambda tasks: fake.put(NAME, active=tasks, concurrency=2))
    worker: CeleryWorker = request.getfixturevalue("celery_worker")
    server: RedisServer = request.getfixturevalue("server")
    workers = CeleryWorkers(server.url)
    eventually(lambda: one(workers).active == 0, within=20)

    def occupy(tasks: int) -> None:
        for _ in range(tasks):
            worker.send(3.0)

    return Case(workers, occupy)


def one(workers: Workers) -> Worker:
    (worker,) = workers.workers()
    return worker


def test_a_worker_tells_its_queues_and_slots(case: Case) -> None:
    worker = one(case.workers)
    assert (worker.hostname, worker.queues, worker.concurrency) == (NAME, ("default",), 2)
    assert (worker.active, worker.reserved) == (0, 0)


def test_a_busy_worker_tells_how_busy(case: Case) -> None:
    case.occupy(1)
    eventually(lambda: one(case.workers).active == 1, within=10)


def test_consumers_are_cancelled_and_added_absolutely(case: Case) -> None:
    for _ in range(2):
        case.workers.cancel_consumers(NAME, ["default"])
        eventually(lambda: one(case.workers).queues == (), within=10)
    for _ in range(2):
        case.workers.add_consumers(NAME, ["default"])
        eventually(lambda: one(case.workers).queues == ("default",), within=10)


def test_an_order_to_a_worker_that_does_not_answer_is_of_unknown_outcome(case: Case) -> None:
    with pytest.raises(UnknownOutcomeError):
        case.workers.cancel_consumers("nobody@contract", ["default"])
    assert one(case.workers).queues == ("default",)


# Only the real one.


def test_a_frozen_worker_does_not_answer_and_costs_no_more_than_the_deadline(
    celery_worker: CeleryWorker, server: RedisServer
) -> None:
    workers = CeleryWorkers(server.url, reply_timeout=0.5)
    freeze(celery_worker.child.pid)
    try:
        begun = time.monotonic()
        assert workers.workers() == []
        assert time.monotonic() - begun < 3
    finally:
        os.kill(celery_worker.child.pid, signal.SIGCONT)
    eventually(lambda: [w.hostname for w in workers.workers()] == [NAME], within=20)


def test_asking_leaves_no_queues_behind_that_grow(
    celery_worker: CeleryWorker, server: RedisServer
) -> None:
    import redis

    workers = CeleryWorkers(server.url, reply_timeout=0.5)
    with redis.Redis.from_url(server.url) as client:
        workers.workers()
        before = client.dbsize()
        for _ in range(3):
            workers.workers()
        assert client.dbsize() <= before
    assert RedisBroker(server.url).queue_depths(["default"])["default", 0] == 0


def test_a_broker_that_is_gone_or_frozen_is_unavailable_within_the_deadline(
    own_redis: RedisServer,
) -> None:
    workers = CeleryWorkers(own_redis.url, reply_timeout=0.5, connect_timeout=0.5)
    assert workers.workers() == []
    freeze(own_redis.child.pid)
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        workers.workers()
    assert time.monotonic() - begun < 5
    os.kill(own_redis.child.pid, signal.SIGCONT)
    own_redis.child.stop()
    with pytest.raises(UnavailableError):
        workers.workers()


def test_a_worker_that_is_told_to_shut_down_ends(request: pytest.FixtureRequest) -> None:
    fake = FakeWorkers()
    fake.put(NAME)
    fake.shut_down(NAME)
    assert not fake.workers()
    server = request.getfixturevalue("server")
    other = CeleryWorker(server.url, "w9@contract")
    try:
        real = CeleryWorkers(server.url)

        def there() -> list[Worker]:
            other.child.check()
            return [one for one in real.workers() if one.hostname == "w9@contract"]

        (one,) = eventually(there, within=60, what="the worker answers")
        assert one.pid == other.child.pid
        real.shut_down("w9@contract")
        eventually(lambda: other.child.process.poll() is not None, within=30, what="it ends")
    finally:
        other.stop()
