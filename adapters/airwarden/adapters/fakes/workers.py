"""Celery workers that answer, or do not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.errors import UnknownOutcomeError
from airwarden.core.platform import Worker

_Change = Callable[[set[str]], set[str]]


class FakeWorkers(Faults):
    """Workers that a test puts in; one that was removed or silenced does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self._workers: dict[str, Worker] = {}

    def put(
        self,
        hostname: str,
        *,
        queues: Collection[str] = ("default",),
        active: int = 0,
        reserved: int = 0,
        concurrency: int = 4,
        pid: int = 1,
    ) -> None:
        """Add or replace a worker."""
        self._workers[hostname] = Worker(
            hostname, tuple(sorted(queues)), active, reserved, concurrency, pid
        )

    def remove(self, hostname: str) -> None:
        """Let a worker answer no more."""
        self._workers.pop(hostname, None)

    def workers(self) -> Sequence[Worker]:
        """Return the workers that answer."""
        self._reading()
        return [worker for _, worker in sorted(self._workers.items())]

    def cancel_consumers(self, hostname: str, queues: Collection[str]) -> None:
        """Stop one worker from taking tasks of these queues."""
        with self._effecting("cancel_consumers", hostname, *sorted(queues)):
            self._change(hostname, lambda now: now - set(queues))

    def add_consumers(self, hostname: str, queues: Collection[str]) -> None:
        """Let one worker take tasks of these queues."""
        with self._effecting("add_consumers", hostname, *sorted(queues)):
            self._change(hostname, lambda now: now | set(queues))

    def shut_down(self, hostname: str) -> None:
        """End a worker; one that is not there hears nothing."""
        with self._effecting("shut_down", hostname):
            self._workers.pop(hostname, None)

    def _change(self, hostname: str, change: _Change) -> None:
        worker = self._workers.get(hostname)
        if worker is None:
            raise UnknownOutcomeError(f"worker {hostname} did not answer")
        queues = tuple(sorted(change(set(worker.queues))))
        self._workers[hostname] = replace(worker, queues=queues)
