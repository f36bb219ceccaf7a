"""The `MeasuredKubernetes` port: pods are listed once and followed from there, the rest is listed.

A watch goes on where the one before it ended, so that nothing between two collects is missed: a pod that
was evicted and replaced within a second is told of as well. It lasts a second at a time, because who asks
wants the state of now, and no thread has to be kept for it. A version that is too old for the server means
a new list; what then is missing was deleted meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from airwarden.adapters import kubernetes_reading as reading
from airwarden.adapters.kubernetes import KubernetesNamespace, sensible
from airwarden.adapters.kubernetes_api import ExpiredError, Json, KubernetesApi
from airwarden.adapters.kubernetes_pod_seen import pod_seen
from airwarden.core.errors import UnavailableError
from airwarden.core.kubernetes import Capacity, Quota, Workload
from airwarden.core.kubernetes_seen import PodNews, PodSeen

#: Seconds that one watch lasts; the server knows no fractions.
_LOOK = 1.0
#: Seconds of a watch that never ends although it was asked to.
_TOO_LONG = 5.0
#: Versions that are kept for a caller who does not come: beyond that the oldest are not counted.
_MOST = 100_000


class KubernetesFollower:
    """One namespace, followed.

    Args:
        api: The cluster.
        namespace: Where Airflow runs.
        release: The Helm release; every release of the namespace if empty. Pods of tasks carry none.
    """

    def __init__(self, api: KubernetesApi, namespace: str, *, release: str = "") -> None:
        self._api, self._release = api, release
        self._namespace = KubernetesNamespace(api, namespace, release=release)
        self._path = self._namespace.path_of_pods
        self._version = ""
        self._known: dict[str, PodSeen] = {}
        self._passed: list[PodSeen] = []

    def pods(self) -> PodNews:
        """Return the pods, and what became of them since the last call.

        Raises:
            UnavailableError: They cannot be followed now; what passed is told the next time.
        """
        first = not self._version
        if first:
            self._list()
        else:
            try:
                self._follow()
            except ExpiredError:
                self._list()
        passed, self._passed = self._passed, []
        return PodNews(tuple(self._known.values()), () if first else tuple(passed), first)

    def _list(self) -> None:
        """Take what there is; what was there before and is no more was deleted unseen."""
        told = self._api.list(self._path)
        found = [one for one in (self._read(thing) for thing in told.items) if one is not None]
        present = {one.uid for one in found}
        for missing in [one for uid, one in self._known.items() if uid not in present]:
            self._take(replace(missing, gone=True))
        for one in found:
            if self._known.get(one.uid) != one:
                self._take(one)
        self._version = told.version

    def _follow(self) -> None:
        """Take what has changed since; each event moves the version on."""
        ends = time.monotonic() + _LOOK + _TOO_LONG
        with closing(self._api.watch(self._path, self._version, within=_LOOK)) as events:
            for event in events:
                one = None
                if event.kind != "BOOKMARK":
                    one = self._read(event.thing, gone=event.kind == "DELETED")
                self._version = event.version
                if one is not None:
                    self._take(one)
                if time.monotonic() > ends:
                    raise UnavailableError("pods change faster than they can be followed")

    def _read(self, thing: Json, *, gone: bool = False) -> PodSeen | None:
        found: PodSeen | None = sensible(pod_seen)(thing, release=self._release, gone=gone)
        return found

    def _take(self, one: PodSeen) -> None:
        if one.gone:
            self._known.pop(one.uid, None)
        else:
            self._known[one.uid] = one
        self._passed.append(one)
        del self._passed[:-_MOST]

    def workloads(self) -> Sequence[Workload]:
        """Return the components' Deployments and StatefulSets."""
        return self._namespace.workloads()

    def capacities(self, workloads: Sequence[Workload]) -> Sequence[Capacity]:
        """Return who scales which of these, by two lists for all of them."""
        found: list[Capacity] = []
        for owner, things in self._namespace.owners():
            for one in workloads:
                if any(seen.workload == one.name for seen in found):
                    continue  # KEDA makes an autoscaler of its own for what it scales
                mine = next((thing for thing in things if reading.targets(thing, one)), None)
                if mine is not None:
                    found.append(reading.capacity(mine, one, keda=owner == "ScaledObject"))
        return found

    def quotas(self) -> Sequence[Quota]:
        """Return the namespace's quotas."""
        return self._namespace.quotas()

    def requests(self) -> Mapping[tuple[str, str], int]:
        """Return how often which verb was answered with what."""
        return self._api.requests()
