"""Collectors of details: what is nice to know never holds up what alarms rest on.

Connections to the metadata database are few. On a slow network each query costs one for as long as its
round trip; were all collectors to ask at once, those that tell whether the platform works would wait
behind those that tell details. The queries of details therefore share a part of the connections
(`airwarden.core.work.details`), and come after those whose time is over sooner.
"""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.work import details
from airwarden.exporters.collector import Collector
from airwarden.exporters.families import Family

#: Seconds after which a collect is overdue: details may wait.
TIMEOUT = 60.0


class Detail:
    """A collector of details.

    Args:
        collector: Which.
    """

    timeout = TIMEOUT

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    @property
    def name(self) -> str:
        """The collector's."""
        return self._collector.name

    @property
    def interval(self) -> float:
        """The collector's."""
        return self._collector.interval

    def collect(self) -> Sequence[Family]:
        """Collect, at the pace of details."""
        with details():
            return self._collector.collect()
