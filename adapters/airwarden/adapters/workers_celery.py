"""The `Workers` port over Celery's remote control, with Redis or RabbitMQ as the broker.

A broadcast waits its full time, because nobody knows how many will answer; so one of them finds the
workers, and the others are addressed to those found and end with the last reply. The broker is asked first
with a short deadline: Celery's own reconnecting would wait far longer than a caller may.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from airwarden.adapters.broker_redis import RedisBroker
from airwarden.core.errors import RejectedError, UnavailableError, UnknownOutcomeError
from airwarden.core.platform import Worker
from airwarden.core.work import left


class CeleryWorkers:
    """The workers that listen on one broker.

    Args:
        broker_url: The Celery broker's URL; never printed.
        reply_timeout: Seconds to wait for replies to a broadcast.
        connect_timeout: Seconds for the broker to answer.
        ping: Asks the broker whether it is there, and raises our errors; None for a PING to Redis.
    """

    def __init__(
        self,
        broker_url: str,
        *,
        reply_timeout: float = 1.0,
        connect_timeout: float = 2.0,
        ping: Callable[[], object] | None = None,
    ) -> None:
        self._url = broker_url
        self._reply_timeout = reply_timeout
        self._connect_timeout = connect_timeout
        self._ping = ping or RedisBroker(broker_url, timeout=connect_timeout).ping
        self._lock = threading.Lock()
        self._app: Any = None

    def workers(self) -> Sequence[Worker]:
        """Return the workers that answer; takes a little longer than `reply_timeout`.

        A worker that falls silent between the questions is left out.
        """
        with self._lock:
            queues = self._broadcast("active_queues", None)
            if not queues:
                return []
            names = sorted(queues)
            stats = self._broadcast("stats", names)
            active = self._broadcast("active", names)
            reserved = self._broadcast("reserved", names)
        return [
            Worker(
                hostname=name,
                queues=tuple(sorted(queue["name"] for queue in queues[name] or ())),
                active=len(active[name]),
                reserved=len(reserved[name]),
                concurrency=int(stats[name]["pool"]["max-concurrency"]),
                pid=int(stats[name].get("pid") or 0),
            )
            for name in names
            if name in stats and name in active and name in reserved
        ]

    def cancel_consumers(self, hostname: str, queues: Collection[str]) -> None:
        """Stop one worker from taking tasks of these queues; safe to repeat."""
        self._order("cancel_consumer", hostname, queues)

    def add_consumers(self, hostname: str, queues: Collection[str]) -> None:
        """Let one worker take tasks of these queues; safe to repeat."""
        self._order("add_consumer", hostname, queues)

    def shut_down(self, hostname: str) -> None:
        """Tell one worker to end when its tasks are done; Celery's warm shutdown.

        Raises:
            UnknownOutcomeError: The broker was lost while it was told.
        """
        with self._lock:
            try:
                # A worker that shuts down sends no reply.
                self._broadcast("shutdown", [hostname], reply=False)
            except UnavailableError as error:
                raise UnknownOutcomeError(str(error)) from None

    def _order(self, command: str, hostname: str, queues: Collection[str]) -> None:
        with self._lock:
            for queue in sorted(queues):
                replies = self._broadcast(command, [hostname], {"queue": queue})
                if hostname not in replies:
                    raise UnknownOutcomeError(f"worker {hostname} did not answer {command}")
                reply = replies[hostname]
                if not isinstance(reply, Mapping) or "ok" not in reply:
                    raise RejectedError(f"worker {hostname} refused {command} {queue}: {reply}")

    def _broadcast(
        self,
        command: str,
        names: Sequence[str] | None,
        arguments: dict[str, Any] | None = None,
        *,
        reply: bool = True,
    ) -> dict[str, Any]:
        """Send a command and return the replies by worker, if there are to be any."""
        from kombu.exceptions import OperationalError

        self._ping()
        try:
            with self._celery().connection_for_write() as connection:
                answers = self._celery().control.broadcast(
                    command,
                    destination=list(names) if names is not None else None,
                    arguments=arguments,
                    reply=reply,
                    timeout=left(self._reply_timeout),
                    connection=connection,
                )
        except (OperationalError, OSError) as error:
            raise UnavailableError(f"the broker was lost during {command}: {error}") from None
        return {name: reply for answer in answers or () for name, reply in answer.items()}

    def _celery(self) -> Any:
        if self._app is None:
            from celery import Celery

            self._app = Celery("airwarden", broker=self._url, set_as_current=False)
            self._app.conf.update(
                broker_connection_timeout=self._connect_timeout,
                broker_connection_retry=False,
                broker_connection_max_retries=0,
                broker_pool_limit=None,
                broker_transport_options={
                    "socket_timeout": self._connect_timeout + self._reply_timeout,
                    "socket_connect_timeout": self._connect_timeout,
                    "max_retries": 0,
                },
                control_queue_ttl=60.0,
                control_queue_expires=60.0,
            )
        return self._app
