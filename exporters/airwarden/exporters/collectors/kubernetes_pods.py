"""Pods on Kubernetes: how many in which phase, why they are no further, how they start and how they end."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from airwarden.core.clock import Clock
from airwarden.core.kubernetes_seen import ENDS as KNOWN_ENDS
from airwarden.core.kubernetes_seen import EVICTIONS, OTHER, MeasuredKubernetes, PodSeen
from airwarden.exporters.families import Counter, Family, Histogram, Labels, gauge

_OOM = "OOMKilled"
#: Phases of a start, in their order: name, where it begins, where it ends.
_PHASES = (
    ("scheduled", "created", "scheduled"),
    ("initialised", "scheduled", "initialised"),
    ("pulled", "initialised", "started"),
    ("ready", "started", "ready"),
)
#: Phases that are shown for every component that has pods, so that a sum over them has no holes.
_SHOWN = ("Pending", "Running", "Failed")


class KubernetesPodsCollector:
    """Counts what it sees of each pod once, from the moment that it first looked."""

    name = "kubernetes_pods"
    interval = 10.0
    timeout = 15.0

    def __init__(self, kubernetes: MeasuredKubernetes, clock: Clock) -> None:
        self._kubernetes = kubernetes
        self._clock = clock
        self._known: dict[str, PodSeen] = {}
        self._told: dict[str, set[str]] = {}
        self._restarts = Counter("airwarden_pod_restarts_total")
        self._ends = Counter("airwarden_pod_terminations_total")
        self._oom = Counter("airwarden_pod_oom_kills_total")
        self._evictions = Counter("airwarden_pod_evictions_total")
        self._starts = Histogram("airwarden_pod_start_seconds")

    def collect(self) -> Sequence[Family]:
        """Return the pods of now, and what has become of them since the exporter began."""
        news = self._kubernetes.pods()
        self._bear({one.component for one in (*news.now, *news.passed)})
        if news.first:
            self._known = {one.uid: one for one in news.now}
            self._told = {one.uid: set(dict(_took(one))) for one in news.now}
        for one in news.passed:
            self._count(self._known.get(one.uid), one)
            if one.gone:
                self._known.pop(one.uid, None)
                self._told.pop(one.uid, None)
            else:
                self._known[one.uid] = one
        return [
            *self._standing(news.now),
            self._restarts.family(),
            self._ends.family(),
            self._oom.family(),
            self._evictions.family(),
            self._starts.family(),
        ]

    def _bear(self, components: Iterable[str]) -> None:
        for component in components:
            self._restarts.born([(component,)])
            self._oom.born([(component,)])
            self._ends.born((component, reason) for reason in ("Completed", "Error", _OOM))
            self._evictions.born((component, who) for who in sorted(set(EVICTIONS.values())))

    def _count(self, before: PodSeen | None, one: PodSeen) -> None:
        """Count what this version tells that the one before did not."""
        component = one.component
        more = one.restarts - (before.restarts if before else 0)
        if more > 0:
            self._restarts.add((component,), more)
        for end in one.ends - (before.ends if before else frozenset()):
            reason = end.reason if end.reason in KNOWN_ENDS else OTHER
            self._ends.add((component, reason))
            if reason == _OOM:
                self._oom.add((component,))
        if one.evicted and not (before and before.evicted):
            self._evictions.add((component, one.evicted))
        told = self._told.setdefault(one.uid, set())
        for phase, seconds in _took(one):
            if phase not in told:  # once a pod: one that becomes ready again starts nothing
                told.add(phase)
                self._starts.observe((component, phase), seconds)

    def _standing(self, pods: Sequence[PodSeen]) -> Iterator[Family]:
        phases: Tally[Labels] = Tally()
        waiting: Tally[Labels] = Tally()
        oldest: dict[Labels, float] = {}
        now = self._clock.now()
        for pod in pods:
            for phase in _SHOWN:
                phases[pod.component, phase] += 0
            phases[pod.component, pod.phase] += 1
            if pod.ending:
                continue
            if pod.waits:
                waiting[pod.component, pod.waits] += 1
            if pod.phase == "Pending" and pod.created is not None:
                age = max(0.0, (now - pod.created).total_seconds())
                place = (pod.component,)
                oldest[place] = max(age, oldest.get(place, 0.0))
        yield gauge("airwarden_pods", phases)
        yield gauge("airwarden_pods_waiting", waiting)
        yield gauge("airwarden_pod_pending_oldest_age_seconds", oldest)


def _took(pod: PodSeen) -> Iterator[tuple[str, float]]:
    """Yield what each phase that is over took."""
    for phase, begins, ends in _PHASES:
        begin: datetime | None = getattr(pod, begins)
        end: datetime | None = getattr(pod, ends)
        if begin is not None and end is not None:
            yield phase, max(0.0, (end - begin).total_seconds())
