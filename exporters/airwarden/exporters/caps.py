"""How many series there may be: a limit for each metric, and one for the whole page.

Beyond a metric's own limit label values are summed under `_overflow`, so that sums over it stay right.
Beyond the limit of the page series are left out, the largest metrics first: those that explode lose what
is theirs, and every other metric stays whole. Both are counted.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from airwarden.core.metrics import Metric
from airwarden.exporters.families import Bins, Family

#: Series of the whole page, unless the operator says otherwise.
MAX_SERIES = 50_000


def series_of(family: Family) -> int:
    """Return how many series a family has; each bucket of a histogram is one."""
    return sum(_lines(value) for _, value in family.samples)


class SeriesCap:
    """Keeps a page within its limit; safe for threads.

    Args:
        limit: Most series over all clusters and collectors.
    """

    def __init__(self, limit: int = MAX_SERIES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        #: (cluster, collector) → metric → series.
        self._held: dict[tuple[str, str], Counter[Metric]] = {}
        self._dropped: dict[str, Counter[str]] = {}

    def admit(self, cluster: str, collector: str, families: Sequence[Family]) -> Sequence[Family]:
        """Return what of a collector's families may be shown."""
        with self._lock:
            others = sum(
                held.total() for key, held in self._held.items() if key != (cluster, collector)
            )
            dropped = self._dropped.setdefault(cluster, Counter())
            sizes = {index: series_of(family) for index, family in enumerate(families)}
            shown = list(families)
            room = self._limit - others
            for index in sorted(sizes, key=lambda index: sizes[index]):
                family = shown[index]
                if family.folded:
                    dropped[family.metric.name] += family.folded
                if sizes[index] > room:
                    shown[index], left_out = _trimmed(family, max(room, 0))
                    dropped[family.metric.name] += left_out
                    sizes[index] = series_of(shown[index])
                room -= sizes[index]
            self._held[cluster, collector] = Counter(
                {family.metric: sizes[index] for index, family in enumerate(shown)}
            )
            return shown

    def forget(self) -> None:
        """Take every collector as gone, for a changed configuration; what was counted stays."""
        with self._lock:
            self._held.clear()

    def held(self, cluster: str) -> Mapping[str, int]:
        """Return the series shown of a cluster, by metric."""
        with self._lock:
            total: Counter[str] = Counter()
            for (name, _), held in self._held.items():
                if name == cluster:
                    for metric, number in held.items():
                        total[metric.name] += number
            return total

    def dropped(self, cluster: str) -> Mapping[str, int]:
        """Return the label sets of a cluster that had no series of their own, by metric."""
        with self._lock:
            return dict(self._dropped.get(cluster, {}))


def _lines(value: float | Bins) -> int:
    return len(value.buckets) + 3 if isinstance(value, Bins) else 1


def _trimmed(family: Family, room: int) -> tuple[Family, int]:
    """Return the first samples that fit (in an order that stays), and how many did not."""
    kept = []
    for labels, value in sorted(family.samples, key=lambda sample: sample[0]):
        room -= _lines(value)
        if room < 0:
            break
        kept.append((labels, value))
    return replace(family, samples=tuple(kept)), len(family.samples) - len(kept)
