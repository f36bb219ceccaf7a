"""What only Airflow itself can tell, as it reports it over StatsD."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from airwarden.core.clock import Clock
from airwarden.core.platform import StatsdSample
from airwarden.core.ports import Statsd
from airwarden.exporters.families import (
    OVERFLOW,
    Counter,
    Family,
    Histogram,
    Labels,
    foreign_counter,
    gauge,
)
from airwarden.exporters.sightings import HOUR, Sightings

#: Seconds after which a gauge that nobody reports any more is dropped.
FORGET = 300.0
#: Values of a label that a sender may make; the rest is summed.
MAX_VALUES = 100
#: Most events that one sampled line stands for.
_MOST_PER_LINE = 1000

#: Name → histogram by the sender's address.
_TIMERS = {
    "scheduler.scheduler_loop_duration": "airwarden_scheduler_loop_duration_seconds",
    "scheduler.critical_section_duration": "airwarden_scheduler_critical_section_duration_seconds",
    "scheduler.executor_heartbeat_duration": (
        "airwarden_scheduler_executor_heartbeat_duration_seconds"
    ),
}
#: Name → counter and its label's value; None stands for the sender's address, "" for no label.
_COUNTERS: Mapping[str, tuple[str, str | None]] = {
    "scheduler.critical_section_busy": ("airwarden_scheduler_critical_section_busy_total", None),
    "scheduler.orphaned_tasks.adopted": ("airwarden_orphaned_tasks_total", "adopted"),
    "scheduler.orphaned_tasks.cleared": ("airwarden_orphaned_tasks_total", "cleared"),
    "scheduler.tasks.killed_externally": ("airwarden_tasks_killed_externally_total", ""),
    "dag_processing.processor_timeouts": ("airwarden_dag_processor_timeouts_total", ""),
    "triggers.blocked_main_thread": ("airwarden_triggers_blocked_main_thread_total", None),
    "celery.task_timeout_error": ("airwarden_celery_publish_failures_total", "timeout"),
    "celery.execute_command.failure": ("airwarden_celery_publish_failures_total", "error"),
    "api_server.dag_bag.cache_hit": ("airwarden_api_dag_bag_cache_total", "hit"),
    "api_server.dag_bag.cache_miss": ("airwarden_api_dag_bag_cache_total", "miss"),
}
#: Name → gauge without a label, summed over its senders.
_GAUGES = {
    "dag_processing.file_path_queue_size": "airwarden_dag_file_queue",
    "api_server.dag_bag.cache_size": "airwarden_api_dag_bag_cache_size",
}
#: Beginning of a name → what the rest of it names.
_EXECUTOR = {
    "executor.open_slots.": "open",
    "executor.queued_tasks.": "queued",
    "executor.running_tasks.": "running",
}
_TRIGGERERS = ("triggers.running.", "triggerer.capacity_left.")

#: What a listener must keep for this collector.
WANTED = (*_TIMERS, *_COUNTERS, *_GAUGES, *_EXECUTOR, *_TRIGGERERS)


class StatsdCollector:
    """Adds up what came; a restart begins at 0."""

    name = "statsd"
    interval = 5.0
    timeout = 10.0

    def __init__(self, statsd: Statsd, clock: Clock) -> None:
        self._statsd = statsd
        self._clock = clock
        self._histograms = {name: Histogram(metric) for name, metric in _TIMERS.items()}
        self._counters = {metric: Counter(metric) for metric, _ in _COUNTERS.values()}
        for metric, label in _COUNTERS.values():
            if label is not None:
                self._counters[metric].born([(label,) if label else ()])
        #: (name, sender) → value and when it came.
        self._gauges: dict[tuple[str, str], tuple[float, float]] = {}
        self._senders = Sightings(clock, keep=HOUR, most=MAX_VALUES, always=(OVERFLOW,))
        self._names = Sightings(clock, keep=HOUR, most=MAX_VALUES)

    def collect(self) -> Sequence[Family]:
        """Return everything that was ever reported, and gauges of the last minutes."""
        now = self._clock.elapsed()
        for sample in self._statsd.drain():
            self._take(sample, now)
        self._gauges = {
            key: (value, at) for key, (value, at) in self._gauges.items() if now - at <= FORGET
        }
        senders = self._senders.seen()
        for histogram in self._histograms.values():
            histogram.retire(lambda labels: labels[0] in senders)
        for metric, label in _COUNTERS.values():
            if label is None:
                self._counters[metric].retire(lambda labels: labels[0] in senders)
        counts = self._statsd.counts()
        return [
            *(histogram.family() for histogram in self._histograms.values()),
            *(counter.family() for counter in self._counters.values()),
            *self._plain_gauges(),
            gauge("airwarden_executor_slots", self._summed(_executor_labels)),
            gauge("airwarden_triggerer_capacity", self._summed(_triggerer_labels)),
            foreign_counter("airwarden_statsd_datagrams_total", counts.datagrams),
            foreign_counter("airwarden_statsd_forwarded_total", counts.forwarded),
            foreign_counter(
                "airwarden_statsd_lost_total",
                {("malformed",): counts.malformed, ("no_room",): counts.dropped},
            ),
        ]

    def _take(self, sample: StatsdSample, now: float) -> None:
        times = min(_MOST_PER_LINE, max(1, round(1 / sample.rate)))
        if sample.kind == "timer" and sample.name in self._histograms:
            labels = (self._senders.place(sample.sender),)
            for _ in range(times):
                self._histograms[sample.name].observe(labels, max(0.0, sample.value) / 1000)
        elif sample.kind == "counter" and sample.name in _COUNTERS:
            metric, label = _COUNTERS[sample.name]
            value = self._senders.place(sample.sender) if label is None else label
            self._counters[metric].add((value,) if value else (), max(0.0, sample.value) * times)
        elif sample.kind == "gauge":
            key = (self._names.place(sample.name), self._senders.place(sample.sender))
            if OVERFLOW not in key:
                before = self._gauges.get(key, (0.0, now))[0] if sample.relative else 0.0
                self._gauges[key] = (before + sample.value, now)

    def _plain_gauges(self) -> list[Family]:
        return [
            gauge(metric, sum(v for (n, _), (v, _) in self._gauges.items() if n == name))
            for name, metric in _GAUGES.items()
            if any(n == name for n, _ in self._gauges)
        ]

    def _summed(self, labels_of: Callable[[str], Labels | None]) -> dict[Labels, float]:
        """Return gauges by what their names say, summed over senders."""
        sums: dict[Labels, float] = {}
        for (name, _), (value, _) in self._gauges.items():
            labels = labels_of(name)
            if labels is not None:
                sums[labels] = sums.get(labels, 0.0) + value
        return sums


def _executor_labels(name: str) -> Labels | None:
    for beginning, state in _EXECUTOR.items():
        if name.startswith(beginning):
            return (name.removeprefix(beginning), state)
    return None


def _triggerer_labels(name: str) -> Labels | None:
    """A triggerer's capacity is what it runs and what it has left."""
    for beginning in _TRIGGERERS:
        if name.startswith(beginning):
            return (name.removeprefix(beginning),)
    return None
