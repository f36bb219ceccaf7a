"""What others report of a cluster: kept with its source and its age, and shown while it holds.

A reading of a gauge replaces the one before; a reading of a counter or histogram is added. A number that
nobody has renewed is shown for a while only; when it was last given is shown for longer, so that a source
that fell silent is seen by its age and never by a number that looks fresh.

A metric that the operator states by query belongs to that query: readings of others are not taken.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from airwarden.core.clock import Clock
from airwarden.core.metrics import MetricType, metric
from airwarden.core.reported import Reading
from airwarden.exporters.families import Counter, Family, Histogram, Labels, foreign_counter, gauge

#: Label sets of one metric with series of their own.
MAX_SUBJECTS = 200
MAX_HISTOGRAMS = 40
#: Label sets of a gauge that are remembered, to be summed; more are not taken.
MAX_REMEMBERED = 5_000
#: Seconds for which a new series stands at 0 before its first amount is added: two scrapes and a collect,
#: because `increase()` does not see what a series is born with.
BIRTH = 45.0
#: Seconds after which a number is no longer shown, unless the operator says otherwise.
KEEP = 2 * 86_400.0
#: Seconds after which a source that fell silent is forgotten.
FORGET = 90 * 86_400.0
#: Gauges that are times: they say themselves how old they are.
_AGELESS = "_timestamp_seconds"
OUTCOMES = ("accepted", "repeated", "ignored", "refused")


class ReportedValues:
    """The readings of one cluster; safe for threads.

    Args:
        clock: Time.
        keep: Seconds for which a number is shown.
        owners: Metric → the sources that may give it; every source where it is not named.
    """

    def __init__(
        self, clock: Clock, *, keep: float = KEEP, owners: Mapping[str, frozenset[str]] = {}
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._owners = dict(owners)
        self._lock = threading.Lock()
        #: Gauges, and counters that a query states: metric → labels → the reading that counts.
        self._held: dict[str, dict[Labels, Reading]] = {}
        self._counters: dict[str, Counter | Histogram] = {}
        #: Counters and histograms: (metric, labels) → the latest reading, for its source and age.
        self._latest: dict[tuple[str, Labels], Reading] = {}
        #: (metric, labels) → when the series was born (elapsed seconds), and what waits since then.
        self._young: dict[tuple[str, Labels], tuple[float, list[float]]] = {}
        self._events = Counter("airwarden_events_total")

    def configure(self, *, keep: float, owners: Mapping[str, frozenset[str]]) -> None:
        """Take changed settings; what no longer has an owner's word is dropped."""
        with self._lock:
            self._keep = keep
            self._owners = dict(owners)
            for name, held in self._held.items():
                for labels in [at for at, one in held.items() if self._disowned(name, one.source)]:
                    del held[labels]
            for name in self._owners.keys() & self._counters.keys():
                del self._counters[name]
                for kept in (self._latest, self._young):
                    for key in [key for key in kept if key[0] == name]:
                        kept.pop(key)

    def expect(self, kinds: Iterable[str]) -> None:
        """Give birth to the counters of events of these kinds."""
        with self._lock:
            self._events.born((kind, outcome) for kind in kinds for outcome in OUTCOMES)

    def count_event(self, kind: str, outcome: str) -> None:
        """Count an event that came."""
        with self._lock:
            self._events.add((kind, outcome))

    def take(self, readings: Iterable[Reading]) -> int:
        """Take readings; return how many had a place.

        Of a gauge an older reading than the present one is not taken: events may come out of order.
        """
        taken = 0
        with self._lock:
            now = self._clock.elapsed()
            for reading in readings:
                if self._may(reading.metric, reading.source):
                    gauge_like = metric(reading.metric).type is MetricType.GAUGE
                    taken += self._replace(reading) if gauge_like else self._add(reading, now)
        return taken

    def state(self, name: str, source: str, readings: Sequence[Reading]) -> None:
        """Take a query's whole answer: what it gave before and gives no longer is dropped."""
        with self._lock:
            held = self._held.setdefault(name, {})
            for labels in [at for at, one in held.items() if one.source == source]:
                del held[labels]
            for reading in readings[:MAX_REMEMBERED]:
                held[reading.labels] = reading

    def families(self) -> list[Family]:
        """Return what is shown now."""
        with self._lock:
            now, elapsed = self._clock.now().timestamp(), self._clock.elapsed()
            self._grow_up(elapsed)
            self._forget(now)
            found = [self._held_family(name, now) for name in sorted(self._held)]
            found += [self._counters[name].family() for name in sorted(self._counters)]
            return [*found, self._provenance(), self._events.family()]

    def _disowned(self, name: str, source: str) -> bool:
        """Whether another source gives the metric now, or the query is no longer there."""
        stated = source.startswith(("sql/", "promql/")) and name not in self._owners
        return stated or not self._may(name, source)

    def _may(self, name: str, source: str) -> bool:
        return name not in self._owners or source in self._owners[name]

    def _replace(self, reading: Reading) -> int:
        held = self._held.setdefault(reading.metric, {})
        before = held.get(reading.labels)
        if before is None and len(held) >= MAX_REMEMBERED:
            return 0
        if before is None or before.at <= reading.at:
            held[reading.labels] = reading
        return 1

    def _add(self, reading: Reading, now: float) -> int:
        name = reading.metric
        counter = self._counters.get(name)
        if counter is None:
            histogram = metric(name).type is MetricType.HISTOGRAM
            counter = self._counters[name] = (
                Histogram(name, most=MAX_HISTOGRAMS)
                if histogram
                else Counter(name, most=MAX_SUBJECTS)
            )
        place = counter.place(reading.labels)
        key = (name, place)
        if key not in self._latest and key not in self._young:
            counter.born([place])
            self._young[key] = (now, [])
        before = self._latest.get(key)
        if before is None or before.at <= reading.at:
            self._latest[key] = reading
        if key in self._young:
            self._young[key][1].append(reading.value)
        else:
            _count(counter, place, reading.value)
        return 1

    def _grow_up(self, now: float) -> None:
        for key in [key for key, (since, _) in self._young.items() if now - since >= BIRTH]:
            name, place = key
            for value in self._young.pop(key)[1]:
                _count(self._counters[name], place, value)

    def _forget(self, now: float) -> None:
        for held in self._held.values():
            for labels in [at for at, one in held.items() if now - one.at > FORGET]:
                del held[labels]

    def _held_family(self, name: str, now: float) -> Family:
        ageless = name.endswith(_AGELESS)
        shown = {
            labels: reading.value
            for labels, reading in self._held[name].items()
            if ageless or now - reading.at <= (reading.keep or self._keep)
        }
        if metric(name).type is MetricType.GAUGE:
            return gauge(name, shown, most=MAX_SUBJECTS)
        kept = dict(sorted(shown.items())[:MAX_SUBJECTS])
        return foreign_counter(name, kept)

    def _provenance(self) -> Family:
        stamps: dict[Labels, float] = {}
        for name, held in self._held.items():
            for labels, reading in sorted(held.items())[:MAX_SUBJECTS]:
                stamps[name, ",".join(labels), reading.source] = round(reading.at, 3)
        for (name, place), reading in self._latest.items():
            stamps[name, ",".join(place), reading.source] = round(reading.at, 3)
        return gauge("airwarden_reported_timestamp_seconds", stamps)


def _count(counter: Counter | Histogram, labels: Labels, value: float) -> None:
    if isinstance(counter, Histogram):
        counter.observe(labels, value)
    else:
        counter.add(labels, value)
