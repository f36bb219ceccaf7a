"""A real Celery worker that can sleep."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from celery import Celery

from support.servers import Child

#: Run by the worker's process, which imports nothing of the tests.
_APP = """
import os, time
from celery import Celery
app = Celery("worker", broker=os.environ["BROKER"])
app.conf.update(broker_connection_retry_on_startup=True, worker_prefetch_multiplier=1)

@app.task(name="sleep")
def sleep(seconds):
    time.sleep(seconds)
"""


class CeleryWorker:
    """A worker with two slots on the queue `default`.

    Args:
        broker_url: Its broker.
        name: Its node name.
    """

    def __init__(self, broker_url: str, name: str) -> None:
        self.name = name
        self._folder = Path(tempfile.mkdtemp(prefix="airwarden-celery-"))
        (self._folder / "sleeper.py").write_text(_APP)
        self.child = Child(
            [sys.executable, "-m", "celery", "--workdir", str(self._folder), "-A", "sleeper",
             "worker", "-n", name, "-c", "2", "-Q", "default", "--without-gossip",
             "--without-mingle", "--without-heartbeat", "-l", "warning"],
            self._folder / "worker.log",
            {"BROKER": broker_url, "C_FORCE_ROOT": "1"},
        )  # fmt: skip
        self._client: Any = Celery("client", broker=broker_url, set_as_current=False)

    def send(self, seconds: float) -> None:
        """Put a task that sleeps into the queue."""
        self._client.send_task("sleep", args=[seconds], queue="default")

    def stop(self) -> None:
        """End it and its children, and remove its folder."""
        self._client.close()
        self.child.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
