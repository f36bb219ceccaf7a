"""One Redis server a session, emptied for each test; a second one on demand that a test may break."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.eventually import eventually
from support.servers import Child, answers, free_port


class RedisServer:
    """A Redis of our own on loopback, without persistence."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="airwarden-redis-"))
        self.child = self._start()

    @property
    def url(self) -> str:
        """Its address, database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _start(self) -> Child:
        program = shutil.which("redis-server")
        if program is None:
            pytest.fail("redis-server is missing: apt-get install redis-server")
        child = Child(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
             "no", "--dir", str(self._folder)],
            self._folder / "server.log",
        )  # fmt: skip

        def ready() -> bool:
            child.check()
            return answers(self.port)

        eventually(ready, within=15, what="Redis listens")
        return child

    def restart(self) -> None:
        """Start it again on the same port, empty."""
        self.child.stop()
        self.child = self._start()

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.child.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def session_redis() -> Iterator[RedisServer]:
    """The session's Redis; tests take `redis_server`, which is empty."""
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def redis_server(session_redis: RedisServer) -> RedisServer:
    """The session's Redis, emptied before the test."""
    import redis

    with redis.Redis.from_url(session_redis.url) as client:
        client.flushall()
    return session_redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that this test alone uses and may stop."""
    server = RedisServer()
    yield server
    server.stop()
