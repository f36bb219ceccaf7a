"""A real Redis, with a proxy before it, that is slow, fails, half-answers and lies: how each case ends.

`broker-down` takes a silent broker for a fault; `queue-deep` needs a number that makes sense. What cannot
be read, because it refuses us or answers something else, is neither: nothing is done and a person is called.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from airwarden.adapters.broker_redis import RedisBroker
from airwarden.adapters.fakes import FakeWorkers
from support.engine import playbook
from support.lied_to import NEVER, ONCE, Lie, LiedTo
from support.redis import RedisServer
from support.redis_proxy import CUT, HANG, RedisProxy
from support.servers import freeze


@dataclass
class Scene:
    """What a case may spoil."""

    server: RedisServer
    proxy: RedisProxy

    def run(self, *command: str) -> None:
        with redis.Redis.from_url(self.server.url) as client:
            client.execute_command(*command)


@dataclass(frozen=True)
class RedisLie(Lie[Scene]):
    """A case, and the check whose question it spoils."""

    check: str = "queue-deep"


Arrange = Callable[[Scene], object]


def says(command: str, reply: bytes | str, times: int = 0) -> Arrange:
    return lambda scene: scene.proxy.answer(command, reply, times=times)


def done(*command: str) -> Arrange:
    return lambda scene: scene.run(*command)


def stopped(scene: Scene) -> None:
    scene.server.child.stop()


def frozen(scene: Scene) -> None:
    freeze(scene.server.child.pid)


def lonely_replica(scene: Scene) -> None:
    """A replica that lost its master and has nothing to say."""
    scene.run("CONFIG", "SET", "replica-serve-stale-data", "no")
    scene.run("REPLICAOF", "127.0.0.1", "1")


LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"
MOVED = b"-MOVED 3999 127.0.0.1:1\r\n"
UNREAD = "the live state cannot be read"
DOWN = "broker-down"
#: Four lengths are asked for at once, one for each priority: so each lie is told four times.
LIES = (
    RedisLie("the queue is deep", lambda _: None, quick=True),
    RedisLie("it loads at first", says("LLEN", LOADING * 4, 3), attempts=ONCE),
    RedisLie("it loads for good", says("LLEN", LOADING * 4), NEVER, UNREAD),
    RedisLie("it is gone", stopped, NEVER, UNREAD),
    RedisLie("it is frozen", frozen, NEVER, UNREAD),
    RedisLie("it never answers", says("LLEN", HANG), NEVER, UNREAD),
    RedisLie("its reply is cut", says("LLEN", CUT), NEVER, UNREAD),
    RedisLie("it is elsewhere now", says("LLEN", MOVED * 4), NEVER, UNREAD),
    RedisLie("it is a replica without its master", lonely_replica, NEVER, UNREAD),
    RedisLie("it wants a password", done("CONFIG", "SET", "requirepass", "x"), NEVER, UNREAD),
    RedisLie("the queue is no list", done("SET", "default", "text"), NEVER, UNREAD),
    RedisLie("a text instead of a number", says("LLEN", b"+many\r\n" * 4), NEVER, UNREAD),
    RedisLie("lists instead of numbers", says("LLEN", b"*0\r\n" * 4), NEVER, UNREAD),
    RedisLie("nothing instead of numbers", says("LLEN", b"$-1\r\n" * 4), NEVER, UNREAD),
    RedisLie("a length below nothing", says("LLEN", b":-5\r\n" * 4), NEVER, UNREAD),
    RedisLie("a web server", says("LLEN", b"HTTP/1.1 400 Bad Request\r\n\r\n"), NEVER, UNREAD),
    RedisLie("empty, says the queue, though it is deep", says("LLEN", b":0\r\n" * 4), NEVER, "not healthy"),
    RedisLie("gone: the fault itself", stopped, check=DOWN, quick=True),
    RedisLie("frozen: the fault itself", frozen, check=DOWN),
    RedisLie("it loads: the fault itself", says("PING", LOADING), check=DOWN),
    RedisLie("cut: the fault itself", says("PING", CUT), check=DOWN),
    RedisLie("a wrong password is no fault of the broker", done("CONFIG", "SET", "requirepass", "x"), NEVER, UNREAD, check=DOWN, quick=True),
    RedisLie("a replica without its master", lonely_replica, NEVER, UNREAD, check=DOWN),
    RedisLie("moved", says("PING", MOVED), NEVER, UNREAD, check=DOWN),
    RedisLie("something else than PONG", says("PING", b":1\r\n"), NEVER, UNREAD, check=DOWN),
    RedisLie("not Redis at all", says("PING", b"HTTP/1.1 400 Bad Request\r\n\r\n"), NEVER, UNREAD, check=DOWN),
    RedisLie("it answers: there is no fault", lambda scene: None, NEVER, "not healthy", check=DOWN),
)  # fmt: skip


@pytest.fixture
def scene(own_redis: RedisServer) -> Iterator[Scene]:
    proxy = RedisProxy(own_redis.port)
    yield Scene(own_redis, proxy)
    proxy.close()
    if own_redis.child.process.poll() is None:
        os.kill(own_redis.child.pid, signal.SIGCONT)


@pytest.fixture
def bench_for(memory_path: Path, scene: Scene) -> Iterator[Callable[[str], LiedTo]]:
    made: list[LiedTo] = []
    broker = RedisBroker(scene.proxy.url, timeout=0.3)

    def make(check: str) -> LiedTo:
        workers = FakeWorkers()
        workers.put("w0@box", active=4)
        book = playbook(confirm={"check": check, "times": 2, "every": "5s"})
        made.append(LiedTo(memory_path, book, broker=broker, workers=workers))
        return made[0]

    yield make
    for one in made:
        one.close()
    broker.close()


def _lies() -> list[object]:
    marks = {True: (), False: (pytest.mark.reliability,)}
    return [
        pytest.param(lie, id=f"{lie.check}: {lie.name}", marks=marks[lie.quick]) for lie in LIES
    ]


@pytest.mark.parametrize("lie", _lies())
def test_what_cannot_be_read_is_neither_a_fault_nor_health(
    bench_for: Callable[[str], LiedTo], scene: Scene, lie: RedisLie
) -> None:
    if lie.attempts == ONCE:
        scene.run("RPUSH", "default", *["{}"] * 50)
    bench = bench_for(lie.check)
    lie.arrange(scene)
    bench.fire()
    bench.run(lie.seconds)
    bench.ends_as(lie)
    assert bench.machine.restarts == len(lie.attempts)
