"""The world that a remediator acts on, in the test's process: child processes reach it over a socket.

What a child did to it outlives the child, whatever kills it and when. The systems in it are the shipped
fakes, which validate what they get as the real ones do.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from airwarden.adapters.fakes import FakeAirflow, FakeHost, FakeKubernetes, FakeWorkers
from airwarden.core.kubernetes import Capacity, Pod, Workload, WorkloadKind
from airwarden.core.platform import ChatMessage, Component, PagerEvent
from support.remediator import RealClock
from support.small_world import SmallDatabase

#: Supervised processes of the world.
PROGRAMS = {
    Component.SCHEDULER: ("scheduler", "scheduler_b"),
    Component.WORKER: ("worker_0", "worker_1", "worker_2"),
}
#: Workloads of the world, for whoever runs it on Kubernetes.
WORKLOAD, WORKERS = "airflow-dag-processor", "airflow-worker"
CELERY = {name: f"celery@{name}" for name in PROGRAMS[Component.WORKER]}


class Timed(list[tuple[object, ...]]):
    """A fake's list of effects, which also knows when each happened (`time.monotonic`)."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, effect: tuple[object, ...]) -> None:
        self.times.append(time.monotonic())
        super().append(effect)


class Told:
    """A pager and a chat that remember what they were told, and when."""

    def __init__(self) -> None:
        self.events: list[PagerEvent] = []
        self.times: list[float] = []
        self.messages: list[ChatMessage] = []
        self.replies: list[str] = []

    def send(self, event: PagerEvent) -> None:
        self.times.append(time.monotonic())
        self.events.append(event)

    def post(self, message: ChatMessage) -> str:
        self.messages.append(message)
        return f"ts-{len(self.messages)}"

    def update(self, reference: str, message: ChatMessage) -> None:
        self.messages.append(message)

    def reply(self, reference: str, text: str) -> None:
        self.replies.append(text)

    def actions(self) -> list[str]:
        """What was asked of the pager, in order."""
        return [event.action for event in self.events]


class Outside:
    """All systems of one cluster, and the socket under which children find them.

    Attributes:
        host, airflow, workers, kube: The shipped fakes.
        database: Sessions and their ender.
        told: Pager and chat.
        itself: All of it, for what no single system tells.
    """

    def __init__(self) -> None:
        clock = RealClock()
        self.host = FakeHost(clock, PROGRAMS, celery_hostnames=CELERY, stopped=("worker_2",))
        self.airflow = FakeAirflow(clock)
        self.workers = FakeWorkers()
        self.kube = FakeKubernetes()
        self.kube.kept = {
            name: Workload(kind, name, f"uid-{name}", component, 2, ready=2, updated=2, total=2)
            for name, kind, component in (
                (WORKLOAD, WorkloadKind.DEPLOYMENT, Component.DAG_PROCESSOR),
                (WORKERS, WorkloadKind.STATEFUL_SET, Component.WORKER),
            )
        }
        self.kube.there = [
            Pod(f"{WORKLOAD}-{n}", f"uid-{n}", Component.DAG_PROCESSOR, WORKLOAD, running=True)
            for n in range(2)
        ]
        self.kube.owners[WORKERS] = Capacity(WORKERS, "ScaledObject", "w", 1, 2, 2, 2, "7")
        self.database = SmallDatabase()
        self.database.answers["connections"] = [{"sessions": 30, "connections_max": 97}]
        self.told = Told()
        self.itself = self
        for fake in (self.host, self.airflow, self.workers, self.kube):
            fake.effects = Timed()
        for hostname in list(CELERY.values())[:2]:
            self.workers.put(hostname)
        # A folder of its own: a socket's path must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="airwarden-"))
        self.address = str(self._folder / "outside.sock")
        self.mutex = threading.Lock()
        self._listener = Listener(self.address, "AF_UNIX", backlog=64)
        self._open: list[Connection[Any, Any]] = []
        threading.Thread(target=self._accept, name="outside", daemon=True).start()

    def effects(self) -> list[tuple[object, ...]]:
        """Return everything that was done to it."""
        ended = [("end", pid) for pid in self.database.ended]
        fakes = (self.host, self.airflow, self.workers, self.kube)
        return [*(effect for fake in fakes for effect in fake.effects), *ended]

    def effect_times(self) -> Sequence[float]:
        """Return when something was done, in no order."""
        found: list[float] = []
        for fake in (self.host, self.airflow, self.workers, self.kube):
            assert isinstance(fake.effects, Timed)
            found += fake.effects.times
        return found

    def close(self) -> None:
        """Let nobody in any more."""
        self._listener.close()
        for connection in self._open:
            connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection[Any, Any]) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                system, method, arguments, keywords = connection.recv()
                try:
                    with self.mutex:
                        answer = getattr(getattr(self, system), method)(*arguments, **keywords)
                except Exception as error:  # sent to the process that asked
                    connection.send((False, error))
                else:
                    connection.send((True, answer))


class Remote:
    """One system of the outside, as a child process sees it; each thread has its own connection.

    Args:
        address: The outside's socket.
        system: `host`, `airflow`, `workers`, `kube`, `database`, `told` or `itself`.
    """

    def __init__(self, address: str, system: str) -> None:
        self._address, self._system = address, system
        self._local = threading.local()

    def __getattr__(self, method: str) -> Any:
        if method.startswith("__"):
            raise AttributeError(method)

        def call(*arguments: Any, **keywords: Any) -> Any:
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = Client(self._address, "AF_UNIX")
            connection.send((self._system, method, arguments, keywords))
            done, answer = connection.recv()
            if not done:
                raise answer
            return answer

        return call
