"""What a test lets go wrong between a client and the API server."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field


@dataclass
class Fault:
    """One kind of trouble for requests that match.

    Attributes:
        method: `GET`, `PATCH`, …; any if empty. `WATCH` is a GET that watches.
        path: A regular expression that is searched in the path.
        status: Answer with this code instead of doing anything.
        retry_after: With `status`: seconds in the header of that name.
        delay: Seconds to wait before doing anything.
        drop: `before`: hang up and do nothing. `after`: do it, and hang up instead of answering.
        times: How many requests it hits.
    """

    method: str = ""
    path: str = ""
    status: int = 0
    retry_after: int | None = None
    delay: float = 0.0
    drop: str = ""
    times: int = 1
    hits: int = field(default=0, init=False)


class FaultQueue:
    """The faults that are still to happen; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        #: Every request that was taken: method and path with its query.
        self.requests: list[tuple[str, str]] = []

    def add(self, fault: Fault) -> Fault:
        """Let it happen from the next request on."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._faults.clear()

    def pause(self) -> list[Fault]:
        """Let everything go well for a while; return what `resume` lets go wrong again."""
        with self._lock:
            held, self._faults = self._faults, []
            return held

    def resume(self, held: list[Fault]) -> None:
        """Let it go wrong again."""
        with self._lock:
            self._faults = held + self._faults

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault that hits this request."""
        with self._lock:
            self.requests.append((method, path))
            for fault in self._faults:
                if fault.method in ("", method) and re.search(fault.path, path):
                    fault.hits += 1
                    if fault.hits >= fault.times:
                        self._faults.remove(fault)
                    return fault
        return None
