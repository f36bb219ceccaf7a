"""The remediator's own metrics, by the names of the catalogue; every one carries `cluster`.

What the journal holds (incidents, inbox, outbox) is read by the loop and kept as a snapshot, so that a
scrape never waits for the database; what happens is counted where it happens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.journal.inbox import Backlog
from airwarden.remediation.journal.rails import EVERYWHERE
from airwarden.remediation.retention import KINDS
from airwarden.remediation.upkeep import UpkeepState

_TO_ACT = (1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_TO_HEAL = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the journal said last.

    Attributes:
        taken: (cluster, alertname) → firing alerts that are decided on.
        incidents: (cluster, state) → open incidents.
        inbox: What waits, and what was set aside.
        outbox: channel → (waiting notices, age of the oldest in seconds).
        given_up: channel → notices that were given up.
        storms: (cluster, playbook) of the open storms.
        flapping: cluster → open incidents that are left alone because they flap.
        breakers: (cluster, breaker) → 0 closed, 1 half-open, 2 open.
        modes: (cluster, playbook) → effective mode.
        loop_at: Unix time of the leader's last turn, 0 before the first.
        lease_age: Seconds since the lease was last renewed, by whoever holds it; None without one.
        lease_token: Grows by one with each change of the holder.
        budgets: (cluster or `*`, scope) → effects left in the current window.
        approvals: cluster → approvals that wait for a person.
    """

    taken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    incidents: Mapping[tuple[str, str], int] = field(default_factory=dict)
    inbox: Backlog = field(default_factory=Backlog)
    outbox: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    given_up: Mapping[str, int] = field(default_factory=dict)
    storms: Collection[tuple[str, str]] = ()
    flapping: Mapping[str, int] = field(default_factory=dict)
    breakers: Mapping[tuple[str, str], int] = field(default_factory=dict)
    modes: Mapping[tuple[str, str], Mode] = field(default_factory=dict)
    loop_at: float = 0.0
    lease_age: float | None = None
    lease_token: int = 0
    budgets: Mapping[tuple[str, str], int] = field(default_factory=dict)
    approvals: Mapping[str, int] = field(default_factory=dict)


class Telemetry(Collector):
    """Counts what happens and shows the last snapshot.

    Args:
        clusters: The clusters served now: what belongs to the whole process is shown for each.
        leads: Whether this process leads now.
    """

    def __init__(
        self, clusters: Callable[[], Collection[str]], leads: Callable[[], bool] = lambda: False
    ) -> None:
        # One sample per series, not two: nobody asks when a counter was born.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._clusters = clusters
        self._leads = leads
        self._mutex = threading.Lock()
        self._snapshot = Snapshot()
        self._upkeep: UpkeepState | None = None
        self._reload = (True, 0.0)
        self._incidents = self._counter("incidents", "Incidents that ended.", "playbook", "outcome")
        self._actions = self._counter("actions", "Effects begun.", "action", "outcome")
        self._blocks = self._counter("guard_blocks", "Effects held back by a guard.", "guard")
        self._escalations = self._counter("escalations", "Handed to a person.", "playbook")
        self._truncated = self._counter("intake_truncated_alerts", "Alerts left out of deliveries.")
        self._recurrences = self._counter(
            "incident_recurrences", "Faults that came back.", "playbook"
        )
        self._to_act = self._histogram("time_to_act", "Alert's start to first effect.", _TO_ACT)
        self._to_heal = self._histogram("time_to_heal", "Alert's start to healing.", _TO_HEAL)
        self.registry.register(self)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"airwarden_{name}", text, ("cluster", *labels), registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        labels = ("cluster", "playbook")
        full = f"airwarden_{name}_seconds"
        return Histogram(full, text, labels, buckets=buckets, registry=self.registry)

    def incident_ended(self, cluster: str, playbook: str, outcome: str) -> None:
        """Count an incident's end: `healed`, `healed-by-itself` or `closed`."""
        self._incidents.labels(cluster, playbook, outcome).inc()

    def action(self, cluster: str, action: str, outcome: str) -> None:
        """Count an attempt's end: its final state in lower case."""
        self._actions.labels(cluster, action, outcome).inc()

    def blocked(self, cluster: str, guard: str) -> None:
        """Count a refusal; one that lasts counts once."""
        self._blocks.labels(cluster, guard).inc()

    def escalated(self, cluster: str, playbook: str) -> None:
        """Count an escalation."""
        self._escalations.labels(cluster, playbook).inc()

    def truncated(self, count: int) -> None:
        """Count alerts that a delivery had left out; which cluster's they are is not known."""
        for cluster in self._clusters():
            self._truncated.labels(cluster).inc(count)

    def recurred(self, cluster: str, playbook: str) -> None:
        """Count an incident that was reopened."""
        self._recurrences.labels(cluster, playbook).inc()

    def acted(self, cluster: str, playbook: str, seconds: float) -> None:
        """Observe the time from the alert's start to the first effect."""
        self._to_act.labels(cluster, playbook).observe(max(seconds, 0.0))

    def healed(self, cluster: str, playbook: str, seconds: float) -> None:
        """Observe the time from the alert's start to verified health."""
        self._to_heal.labels(cluster, playbook).observe(max(seconds, 0.0))

    def show(self, snapshot: Snapshot) -> None:
        """Replace what the journal said."""
        for cluster, playbook in snapshot.modes:
            # Born at 0: the increase of a counter that appears with its first event is not seen.
            self._escalations.labels(cluster, playbook)
            self._recurrences.labels(cluster, playbook)
        for cluster in self._clusters():
            self._truncated.labels(cluster)
        with self._mutex:
            self._snapshot = snapshot

    def keep(self, state: UpkeepState) -> None:
        """Replace what the housekeeping said."""
        with self._mutex:
            self._upkeep = state

    @property
    def snapshot(self) -> Snapshot:
        """What the journal said last."""
        with self._mutex:
            return self._snapshot

    def reloaded(self, *, ok: bool, at: float) -> None:
        """Note a reload of the configuration: whether it was taken, and when (Unix time)."""
        with self._mutex:
            self._reload = (ok, at if ok else self._reload[1])

    def collect(self) -> Iterable[Metric]:
        """Yield the gauges; prometheus_client calls this at each scrape."""
        with self._mutex:
            snapshot, upkeep = self._snapshot, self._upkeep
            reload_ok, reload_at = self._reload
        clusters = sorted(self._clusters())
        version = _gauge("build_info", "1; the version of this program.", "version")
        for cluster in clusters:
            version.add_metric([cluster, metadata.version("airwarden")], 1)
        yield version
        whole = {
            "config_reload_success": float(reload_ok),
            "config_last_reload_timestamp_seconds": reload_at,
            "remediator_leader": float(self._leads()),
            "remediator_loop_timestamp_seconds": snapshot.loop_at,
            "inbox_pending": float(snapshot.inbox.deliveries),
            "inbox_oldest_age_seconds": snapshot.inbox.age,
            "inbox_set_aside": float(snapshot.inbox.set_aside),
            "lease_token": float(snapshot.lease_token),
        }
        if snapshot.lease_age is not None:
            whole["lease_age_seconds"] = snapshot.lease_age
        if upkeep is not None and self._leads():
            whole |= _of_upkeep(upkeep)
        for name, value in whole.items():
            family = _gauge(name, "See the metric reference.")
            for cluster in clusters:
                family.add_metric([cluster], value)
            yield family
        yield from self._of_journal(snapshot, clusters)
        yield from _of_rails(snapshot, clusters)
        yield _pruned(upkeep, clusters)

    def _of_journal(self, snapshot: Snapshot, clusters: Collection[str]) -> Iterable[Metric]:
        taken = _gauge("remediator_alerts_taken", "Firing alerts durably taken.", "alertname")
        for (cluster, name), count in snapshot.taken.items():
            taken.add_metric([cluster, name], count)
        open_now = _gauge("incidents", "Open incidents by state.", "state")
        for cluster in clusters:
            for state in IncidentState:
                if not state.terminal:
                    found = snapshot.incidents.get((cluster, state.value), 0)
                    open_now.add_metric([cluster, state.value], found)
        pending = _gauge("outbox_pending", "Notices not yet delivered.", "channel")
        age = _gauge("outbox_oldest_age_seconds", "Age of the oldest such notice.", "channel")
        for cluster in clusters:
            for channel, (count, oldest) in snapshot.outbox.items():
                pending.add_metric([cluster, channel], count)
                age.add_metric([cluster, channel], oldest)
        given_up = _gauge("outbox_given_up", "Notices that were given up.", "channel")
        flapping = _gauge("flapping_incidents", "Open incidents that flap.")
        for cluster in clusters:
            flapping.add_metric([cluster], snapshot.flapping.get(cluster, 0))
            for channel in snapshot.outbox:
                given_up.add_metric([cluster, channel], snapshot.given_up.get(channel, 0))
        storm = _gauge("storm", "1 while a storm is open.", "playbook")
        for cluster, playbook in snapshot.storms:
            storm.add_metric([cluster, playbook], 1)
        breaker = _gauge("breaker_state", "0 closed, 1 half-open, 2 open.", "breaker")
        for (cluster, name), position in snapshot.breakers.items():
            breaker.add_metric([cluster, name], position)
        modes = _gauge("playbook_mode", "0 off, 1 shadow, 2 approve, 3 auto.", "playbook")
        for (cluster, name), mode in snapshot.modes.items():
            modes.add_metric([cluster, name], mode.rank)
        return [taken, open_now, pending, age, given_up, flapping, storm, breaker, modes]


def _of_rails(snapshot: Snapshot, clusters: Collection[str]) -> Iterable[Metric]:
    left = _gauge("budget_left", "Effects left in the current window.", "scope")
    for (cluster, scope), count in snapshot.budgets.items():
        for one in clusters if cluster == EVERYWHERE else [cluster]:
            left.add_metric([one, scope], count)
    waiting = _gauge("approvals_pending", "Plans that wait for a person's yes.")
    for cluster in clusters:
        waiting.add_metric([cluster], snapshot.approvals.get(cluster, 0))
    return [left, waiting]


def _of_upkeep(state: UpkeepState) -> dict[str, float]:
    signed = state.audit.signed_at
    return {
        "journal_size_bytes": float(state.size),
        "audit_entries": float(state.audit.head),
        "audit_intact": float(not state.audit.faults),
        "audit_signed_off_entries": float(state.audit.signed_off),
        "audit_signed_off_timestamp_seconds": signed.timestamp() if signed else 0.0,
        "retention_success": float(not state.trouble),
        "retention_last_success_timestamp_seconds": state.swept_at,
    }


def _pruned(state: UpkeepState | None, clusters: Collection[str]) -> CounterMetricFamily:
    text = "Rows taken out of the journal."
    family = CounterMetricFamily("airwarden_retention_pruned", text, labels=("cluster", "kind"))
    for cluster in clusters:
        for kind in KINDS:
            family.add_metric([cluster, kind], state.pruned.get(kind, 0) if state else 0)
    return family


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"airwarden_{name}", text, labels=("cluster", *labels))
