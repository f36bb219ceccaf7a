"""Redis, the Celery broker: nothing is written to disk."""

from __future__ import annotations

import shutil
import socket

from localplatform.errors import PlatformError
from localplatform.layout import LOOPBACK, Platform
from localplatform.supervisord import ProgramSpec
from localplatform.waiting import wait_until


def program(platform: Platform) -> ProgramSpec:
    """Return the server as a supervised program.

    Raises :class:`PlatformError` naming the Debian package when it is missing.
    """
    server = shutil.which("redis-server")
    if server is None:
        raise PlatformError("redis-server is missing: apt-get install redis-server")
    folder = platform.state_dir / "redis"
    folder.mkdir(exist_ok=True)
    return ProgramSpec(
        name="redis",
        command=[
            server, "--bind", LOOPBACK, "--port", str(platform.redis.port), "--save", "",
            "--appendonly", "no", "--dir", str(folder), "--daemonize", "no",
        ],
        autostart=True,
        priority=10,
    )  # fmt: skip


def wait_ready(platform: Platform, *, seconds: float) -> None:
    """Wait until the server answers a PING."""

    def pong() -> bool:
        with socket.create_connection((LOOPBACK, platform.redis.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")

    wait_until(pong, seconds=seconds, what="Redis answers", every=0.1)
