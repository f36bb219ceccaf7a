"""The `Broker` port over RabbitMQ's management API; AMQP itself does not tell a queue's state."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import BrokerState, Delivered
from airwarden.core.work import left

if TYPE_CHECKING:
    import httpx

#: Seconds for which the list of queues is used again: one collect asks for it twice.
_FRESH = 1.0
_COLUMNS = "name,messages_ready,messages_unacknowledged,consumers,head_message_timestamp"


class RabbitBroker:
    """A RabbitMQ that Celery uses as its broker.

    Args:
        url: Address of the management plugin, without a path (`http://127.0.0.1:15672`).
        username, password: A user with the tag `monitoring`, and read permission on the host.
        virtual_host: Celery's virtual host.
        timeout: Seconds for each answer.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str,
        password: str,
        virtual_host: str = "/",
        timeout: float = 2.0,
    ) -> None:
        self._url = url
        self._login = (username, password)
        self._host = quote(virtual_host, safe="")
        self._timeout = timeout
        self._kept: httpx.Client | None = None
        self._queues: tuple[float, list[Mapping[str, Any]]] | None = None

    @property
    def kind(self) -> str:
        """`rabbitmq`."""
        return "rabbitmq"

    def ping(self) -> float:
        """Return the seconds to an answer of the management API, about the virtual host."""
        self._client()  # its first use imports the library: not the broker's time
        begun = time.monotonic()
        self._get(f"/api/vhosts/{self._host}")
        return time.monotonic() - begun

    def queue_depths(self, queues: Collection[str]) -> Mapping[tuple[str, int], int]:
        """Return (queue, 0) → messages ready; RabbitMQ keeps all priorities in one queue."""
        ready = {q["name"]: _number(q, "messages_ready") for q in self._listed()}
        return {(queue, 0): ready.get(queue, 0) for queue in sorted(set(queues))}

    def delivered(self) -> Mapping[str, Delivered]:
        """Return queue → messages delivered and not acknowledged.

        The age is that of the first message that waits, where it carries the time of its sending.
        """
        return {
            q["name"]: Delivered(_number(q, "messages_unacknowledged"), _age(q))
            for q in self._listed()
            if not _of_remote_control(q["name"])
        }

    def state(self) -> BrokerState:
        """Return memory and connections of all nodes."""
        nodes = self._get("/api/nodes?columns=mem_used,mem_limit")
        overview = self._get("/api/overview?columns=object_totals.connections")
        totals = overview.get("object_totals") if isinstance(overview, Mapping) else None
        return BrokerState(
            memory_used=sum(_number(node, "mem_used") for node in nodes),
            memory_max=sum(_number(node, "mem_limit") for node in nodes),
            clients=_number(totals, "connections"),
        )

    def close(self) -> None:
        """Close the connections."""
        if self._kept is not None:
            self._kept.close()

    def _listed(self) -> list[Mapping[str, Any]]:
        now = time.monotonic()
        if self._queues is None or now - self._queues[0] > _FRESH:
            self._queues = (now, self._get(f"/api/queues/{self._host}?columns={_COLUMNS}"))
        return self._queues[1]

    def _get(self, path: str) -> Any:
        import httpx

        try:
            answer = self._client().get(path, timeout=left(self._timeout))
        except httpx.HTTPError as error:
            raise UnavailableError(f"RabbitMQ at {self._url} does not answer: {error}") from None
        if answer.status_code in (401, 403, 404):
            raise RejectedError(
                f"RabbitMQ at {self._url} refuses {path.partition('?')[0]}: {answer.status_code};"
                " does the user carry the tag monitoring, and may it read the virtual host?"
            )
        try:
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UnavailableError(f"RabbitMQ at {self._url} answers badly: {error}") from None

    def _client(self) -> httpx.Client:
        if self._kept is None:
            import httpx

            self._kept = httpx.Client(
                base_url=self._url, auth=self._login, timeout=self._timeout, trust_env=False
            )
        return self._kept


def _of_remote_control(queue: str) -> bool:
    """Return whether Celery made a queue for its own talk; there are two for each worker."""
    return ".pidbox" in queue or queue.startswith("celeryev.") or ".reply." in queue


def _number(of: Any, name: str) -> int:
    """Return a number; RabbitMQ leaves it out, or writes an empty list, until it has counted."""
    value = of.get(name) if isinstance(of, Mapping) else None
    return int(value) if isinstance(value, int | float) else 0


def _age(queue: Mapping[str, Any]) -> float | None:
    sent = queue.get("head_message_timestamp")
    return max(0.0, time.time() - sent) if isinstance(sent, int | float) else None
