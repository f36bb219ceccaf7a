"""The broker: whether it answers, what waits in it, what it delivered, and how full it is."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.errors import AirwardenError
from airwarden.core.platform import BrokerState
from airwarden.core.ports import MeasuredBroker
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.families import Family, Labels, foreign_counter, gauge


class BrokerCollector:
    """Asks for the depth of the configured queues, and for the broker's own state."""

    name = "broker"
    interval = 5.0
    timeout = 10.0

    def __init__(self, broker: MeasuredBroker, queues: Sequence[str]) -> None:
        self._broker = broker
        self._queues = tuple(queues)

    def collect(self) -> Sequence[Family]:
        """Return whether it is up, and its queues' depths when it is."""
        kind = self._broker.kind
        try:
            self._broker.ping()
            depths = self._broker.queue_depths(self._queues)
        except AirwardenError as error:
            raise PartialCollectError(
                [gauge("airwarden_broker_up", {(kind,): 0})], error
            ) from error
        messages: dict[Labels, float] = {
            (queue, str(priority)): float(n) for (queue, priority), n in depths.items()
        }
        families = [
            gauge("airwarden_broker_up", {(kind,): 1}),
            gauge("airwarden_celery_queue_messages", messages),
        ]
        try:
            return [*families, *self._delivered(), *_state(kind, self._broker.state())]
        except AirwardenError as error:  # a role that may not ask for it: the depths are known
            raise PartialCollectError(families, error) from error

    def _delivered(self) -> list[Family]:
        delivered = self._broker.delivered()
        return [
            gauge(
                "airwarden_celery_unacked_messages",
                {(queue,): one.messages for queue, one in delivered.items()},
            ),
            gauge(
                "airwarden_celery_oldest_message_age_seconds",
                {
                    (queue,): round(one.oldest, 3)
                    for queue, one in delivered.items()
                    if one.oldest is not None
                },
            ),
        ]


def _state(kind: str, state: BrokerState) -> list[Family]:
    gauges = {
        "airwarden_broker_memory_used_bytes": state.memory_used,
        "airwarden_broker_memory_max_bytes": state.memory_max,
        "airwarden_broker_connected_clients": state.clients,
    }
    counters = {
        "airwarden_broker_rejected_connections_total": state.rejected,
        "airwarden_broker_evicted_keys_total": state.evicted,
    }
    return [gauge(name, {(kind,): n}) for name, n in gauges.items() if n is not None] + [
        foreign_counter(name, {(kind,): n}) for name, n in counters.items() if n is not None
    ]
