"""A broker's queues as numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.platform import BrokerState, Delivered

_PRIORITIES = (0, 3, 6, 9)


class FakeBroker(Faults):
    """Queues that a test fills.

    Attributes:
        depths: (queue, priority) → waiting messages.
        unacked_messages: Delivered and not acknowledged.
        oldest_unacked: Seconds since the first of those was delivered.
        told: What it says of itself.
        answer_seconds: What `ping` returns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.depths: dict[tuple[str, int], int] = {}
        self.unacked_messages = 0
        self.oldest_unacked: float | None = None
        self.told = BrokerState(
            memory_used=1_000_000, memory_max=0, clients=1, rejected=0, evicted=0
        )
        self.answer_seconds = 0.001

    def put(self, queue: str, messages: int, priority: int = 0) -> None:
        """Set how many messages wait."""
        if priority not in _PRIORITIES:
            raise ValueError(f"priority {priority}: kombu keeps {_PRIORITIES}")
        self.depths[queue, priority] = messages

    def ping(self) -> float:
        """Return the answer time."""
        self._reading()
        return self.answer_seconds

    def queue_depths(self, queues: Collection[str]) -> Mapping[tuple[str, int], int]:
        """Return (queue, priority) → waiting messages, 0 for an absent queue."""
        self._reading()
        return {
            (queue, priority): self.depths.get((queue, priority), 0)
            for queue in sorted(set(queues))
            for priority in _PRIORITIES
        }

    @property
    def kind(self) -> str:
        """What it stands for."""
        return "redis"

    def delivered(self) -> Mapping[str, Delivered]:
        """Return the messages delivered and not acknowledged, of all queues together."""
        self._reading()
        return {"_all": Delivered(self.unacked_messages, self.oldest_unacked)}

    def state(self) -> BrokerState:
        """Return what the test set."""
        self._reading()
        return self.told
