"""A real RabbitMQ with a real Celery worker: depths, deliveries, its state, remote control."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airwarden.adapters.broker_rabbitmq import RabbitBroker
from airwarden.adapters.workers_celery import CeleryWorkers
from airwarden.core.errors import RejectedError, UnavailableError
from support.celery_worker import CeleryWorker
from support.eventually import eventually
from support.rabbitmq import RabbitServer

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitServer]:
    server = RabbitServer()
    yield server
    server.stop()


@pytest.fixture
def broker(rabbit: RabbitServer) -> Iterator[RabbitBroker]:
    broker = RabbitBroker(rabbit.management, username="guest", password="guest", timeout=5.0)
    yield broker
    broker.close()


def test_queues_deliveries_and_workers(rabbit: RabbitServer, broker: RabbitBroker) -> None:
    assert broker.kind == "rabbitmq"
    assert broker.ping() < 5
    assert broker.queue_depths(["default"]) == {("default", 0): 0}
    eventually(lambda: (broker.state().memory_used or 0) > 1_000_000, within=30)
    assert (broker.state().memory_max or 0) > (broker.state().memory_used or 0)

    worker = CeleryWorker(rabbit.url, "w0@here")
    workers = CeleryWorkers(rabbit.url, ping=broker.ping, reply_timeout=2.0)
    try:
        eventually(lambda: [w.hostname for w in workers.workers()] == ["w0@here"], within=60)
        for _ in range(7):
            worker.send(60)
        eventually(lambda: broker.queue_depths(["default"])["default", 0] >= 3, within=30)
        eventually(lambda: broker.delivered()["default"].messages > 0, within=30)
        assert set(broker.delivered()) == {"default"}
        assert (broker.state().clients or 0) >= 1
        (answering,) = workers.workers()
        assert (answering.active, answering.queues) == (2, ("default",))
    finally:
        worker.stop()


def test_a_refusal_names_what_is_missing_and_not_the_password(
    rabbit: RabbitServer,
) -> None:
    wrong = RabbitBroker(rabbit.management, username="guest", password="hunter2", timeout=5.0)
    with pytest.raises(RejectedError, match="monitoring") as caught:
        wrong.ping()
    wrong.close()
    assert "hunter2" not in str(caught.value)
    lost = RabbitBroker(
        rabbit.management, username="guest", password="guest", virtual_host="other", timeout=5.0
    )
    with pytest.raises(RejectedError, match="other"):
        lost.queue_depths(["default"])
    lost.close()
    gone = RabbitBroker("http://127.0.0.1:9", username="a", password="b")
    with pytest.raises(UnavailableError):
        gone.ping()
    gone.close()
