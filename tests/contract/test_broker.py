"""The `Broker` contract: a real Redis, and the fake."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import redis

from airwarden.adapters.broker_redis import RedisBroker
from airwarden.adapters.fakes import FakeBroker
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import Delivered
from airwarden.core.ports import MeasuredBroker
from support.redis import RedisServer
from support.servers import freeze


@dataclass
class Case:
    """A broker, and how a test puts messages in it, as kombu does."""

    broker: MeasuredBroker
    put: Callable[[str, int, int], None]
    deliver: Callable[[int], None]


@pytest.fixture(params=["fake", "real"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "fake":
        fake = FakeBroker()

        def deliver(messages: int) -> None:
            fake.unacked_messages = messages
            fake.oldest_unacked = 90.0

        return Case(fake, fake.put, deliver)
    server: RedisServer = request.getfixturevalue("redis_server")

    def put(queue: str, messages: int, priority: int) -> None:
        key = f"{queue}\x06\x16{priority}" if priority else queue
        with redis.Redis.from_url(server.url) as client:
            client.rpush(key, *["{}"] * messages)

    def unacked(messages: int) -> None:
        with redis.Redis.from_url(server.url) as client:
            client.hset("unacked", mapping={str(n): "[]" for n in range(messages)})
            ages = {str(n): time.time() - 90 + n for n in range(messages)}
            client.zadd("unacked_index", ages)

    return Case(RedisBroker(server.url), put, unacked)


def test_depths_by_queue_and_priority_with_zero_for_what_is_absent(case: Case) -> None:
    case.put("default", 3, 0)
    case.put("default", 2, 6)
    assert case.broker.queue_depths(["default", "empty"]) == {
        ("default", 0): 3, ("default", 3): 0, ("default", 6): 2, ("default", 9): 0,
        ("empty", 0): 0, ("empty", 3): 0, ("empty", 6): 0, ("empty", 9): 0,
    }  # fmt: skip
    assert case.broker.queue_depths([]) == {}


def test_delivered_counts_what_is_not_acknowledged_and_tells_since_when(case: Case) -> None:
    assert case.broker.delivered() == {"_all": Delivered(0)}
    case.deliver(4)
    delivered = case.broker.delivered()["_all"]
    assert delivered.messages == 4
    assert delivered.oldest == pytest.approx(90, abs=5)


def test_it_tells_of_itself(case: Case) -> None:
    assert case.broker.kind == "redis"
    state = case.broker.state()
    assert (state.memory_used or 0) > 100_000
    assert (state.memory_max, state.rejected, state.evicted) == (0, 0, 0)
    assert (state.clients or 0) >= 1


def test_a_ping_tells_its_time(case: Case) -> None:
    assert 0 <= case.broker.ping() < 2


# Only the real one.


def test_celery_itself_puts_messages_where_they_are_counted(redis_server: RedisServer) -> None:
    from celery import Celery

    app = Celery("producer", broker=redis_server.url, set_as_current=False)
    for priority in (0, 3, 3):
        app.send_task("noop", queue="default", priority=priority)
    app.close()
    depths = RedisBroker(redis_server.url).queue_depths(["default"])
    assert {key: n for key, n in depths.items() if n} == {("default", 0): 1, ("default", 3): 2}


def test_a_broker_that_is_gone_is_unavailable_and_back_again_later(own_redis: RedisServer) -> None:
    broker = RedisBroker(own_redis.url, timeout=0.5)
    broker.ping()
    own_redis.child.stop()
    with pytest.raises(UnavailableError):
        broker.queue_depths(["default"])
    own_redis.restart()
    assert broker.ping() >= 0


def test_a_frozen_broker_costs_a_deadline(own_redis: RedisServer) -> None:
    broker = RedisBroker(own_redis.url, timeout=0.5)
    broker.ping()
    freeze(own_redis.child.pid)
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        broker.ping()
    assert time.monotonic() - begun < 3
    os.kill(own_redis.child.pid, signal.SIGCONT)


def test_a_wrong_password_is_rejected_and_not_shown(own_redis: RedisServer) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("requirepass", "right")
    url = own_redis.url.replace("redis://", "redis://:hunter2@")
    with pytest.raises(RejectedError) as caught:
        RedisBroker(url).ping()
    assert "hunter2" not in str(caught.value)
