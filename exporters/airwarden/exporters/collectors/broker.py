"""The broker: whether it answers, and what waits in it."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.errors import AirwardenError
from airwarden.core.ports import Broker
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.families import Family, Labels, gauge

KIND = "redis"


class BrokerCollector:
    """Asks for the depth of the configured queues."""

    name = "broker"
    interval = 5.0
    timeout = 10.0

    def __init__(self, broker: Broker, queues: Sequence[str]) -> None:
        self._broker = broker
        self._queues = tuple(queues)

    def collect(self) -> Sequence[Family]:
        """Return whether it is up, and its queues' depths when it is."""
        try:
            self._broker.ping()
            depths = self._broker.queue_depths(self._queues)
        except AirwardenError as error:
            raise PartialCollectError(
                [gauge("airwarden_broker_up", {(KIND,): 0})], error
            ) from error
        messages: dict[Labels, float] = {
            (queue, str(priority)): float(n) for (queue, priority), n in depths.items()
        }
        return [
            gauge("airwarden_broker_up", {(KIND,): 1}),
            gauge("airwarden_celery_queue_messages", messages),
        ]
