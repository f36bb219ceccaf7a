"""A RabbitMQ of our own on loopback, with its management plugin."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import httpx
import pytest

from support.eventually import eventually
from support.servers import Child, answers, free_port


class RabbitServer:
    """A node with an Erlang port mapper of its own; takes from ten seconds to a minute to start."""

    def __init__(self) -> None:
        program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        mapper = shutil.which("epmd")
        if not program.exists() or mapper is None:
            pytest.skip("rabbitmq-server is not installed: apt-get install rabbitmq-server")
        self.port, self._management, distribution, epmd = (free_port() for _ in range(4))
        self._folder = Path(tempfile.mkdtemp(prefix="airwarden-rabbit-"))
        (self._folder / "plugins").write_text("[rabbitmq_management].\n")
        (self._folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nmanagement.tcp.ip = 127.0.0.1\n"
            f"management.tcp.port = {self._management}\ncollect_statistics_interval = 1000\n"
        )
        self._mapper = Child(
            [mapper, "-address", "127.0.0.1", "-port", str(epmd)], self._folder / "epmd.log"
        )
        eventually(lambda: answers(epmd), within=10, what="epmd listens")
        self._child = Child(
            [str(program)],
            self._folder / "server.log",
            {
                "HOME": str(self._folder),
                "ERL_EPMD_PORT": str(epmd),
                "RABBITMQ_NODENAME": "airwarden@localhost",
                "RABBITMQ_DIST_PORT": str(distribution),
                "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
                "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
                "RABBITMQ_LOG_BASE": str(self._folder / "log"),
                "RABBITMQ_PID_FILE": str(self._folder / "pid"),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                    "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none"
                ),
            },
        )
        eventually(self._ready, within=150, what="RabbitMQ's management API answers")

    def _ready(self) -> bool:
        self._child.check()
        try:
            answer = httpx.get(f"{self.management}/api/overview", auth=("guest", "guest"))
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and answers(self.port)

    @property
    def url(self) -> str:
        """Its address for Celery."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def management(self) -> str:
        """The address of its management plugin."""
        return f"http://127.0.0.1:{self._management}"

    def stop(self) -> None:
        """End the node and its port mapper, and remove its folder."""
        self._child.stop()
        self._mapper.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
