"""The controllers: what a control plane does by itself after a change.

Deployments make ReplicaSets, those and StatefulSets make pods, disruption budgets count, autoscalers
hold their bounds, KEDA makes an autoscaler of a ScaledObject, quotas refuse pods. No clock is in it:
each change is followed to its end at once, as far as the pods' readiness allows.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from support.kubernetes.kubelet import is_ready
from support.kubernetes.resources import BY_PLURAL, ApiError, Json
from support.kubernetes.selectors import selected
from support.kubernetes.store import Store, now, owner_of

_HASH, _REVISION = "pod-template-hash", "controller-revision-hash"
_COST = "controller.kubernetes.io/pod-deletion-cost"


class Controllers:
    """All controllers of one store."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store_of = store

    def settle(self) -> None:
        """Bring everything one step further."""
        store = self._store_of()
        steps = (
            ("scaledobjects", self._scaled_object),
            ("horizontalpodautoscalers", self._autoscaler),
            ("deployments", self._deployment),
            ("replicasets", self._replica_set),
            ("statefulsets", self._stateful_set),
            ("poddisruptionbudgets", self._budget),
            ("resourcequotas", self._quota),
        )
        for plural, step in steps:
            for thing in store.every(plural):
                if not thing["metadata"].get("deletionTimestamp"):
                    step(store, thing)

    # ---- pods of an owner ----------------------------------------------------------------------

    def _owned(self, store: Store, plural: str, owner: Json) -> list[Json]:
        space, uid = owner["metadata"]["namespace"], owner["metadata"]["uid"]
        return [one for one in store.every(plural, space) if owner_of(one).get("uid") == uid]

    def _living(self, store: Store, owner: Json) -> list[Json]:
        return [
            pod
            for pod in self._owned(store, "pods", owner)
            if not pod["metadata"].get("deletionTimestamp")
            and pod["status"].get("phase") not in ("Succeeded", "Failed")
        ]

    def _make_pod(self, store: Store, owner: Json, labels: Json, name: str = "") -> bool:
        space, template = owner["metadata"]["namespace"], owner["spec"]["template"]
        pod = {
            "metadata": {
                "labels": {**template["metadata"]["labels"], **labels},
                "annotations": dict(template["metadata"].get("annotations") or {}),
                "ownerReferences": [_reference(owner)],
                **({"name": name} if name else {"generateName": f"{owner['metadata']['name']}-"}),
            },
            "spec": {**template["spec"]},
        }
        try:
            admit(store, space)
            store.create(BY_PLURAL["pods"], space, pod)
        except ApiError as refused:
            self._failed_create(store, owner, refused.message)
            return False
        return True

    def _failed_create(self, store: Store, owner: Json, message: str) -> None:
        """Write one Event for a refused pod, and count up on the same afterwards."""
        space, meta = owner["metadata"]["namespace"], owner["metadata"]
        name = f"{meta['name']}.failed-create"
        if store.find("events", space, name) is None:
            involved = {"kind": owner["kind"], "namespace": space, "name": meta["name"]}
            told = {"reason": "FailedCreate", "type": "Warning", "message": message, "count": 1}
            times = {"firstTimestamp": now(), "lastTimestamp": now()}
            event = {"metadata": {"name": name}, "involvedObject": involved, **told, **times}
            store.create(BY_PLURAL["events"], space, event)

    def _drop(self, store: Store, pods: Sequence[Json]) -> None:
        for pod in pods:
            meta = pod["metadata"]
            store.delete(BY_PLURAL["pods"], meta["namespace"], meta["name"])

    def _status(self, store: Store, plural: str, thing: Json, status: Json) -> None:
        meta = thing["metadata"]
        told = {**thing.get("status", {}), **status}
        if told != thing.get("status"):
            store.replace(
                BY_PLURAL[plural], meta["namespace"], meta["name"], {**thing, "status": told},
                part="status",
            )  # fmt: skip

    def _scale(self, store: Store, plural: str, thing: Json, replicas: int) -> None:
        if thing["spec"]["replicas"] != replicas:
            meta, spec = thing["metadata"], {**thing["spec"], "replicas": replicas}
            store.replace(
                BY_PLURAL[plural], meta["namespace"], meta["name"], {**thing, "spec": spec}
            )

    # ---- workloads -----------------------------------------------------------------------------

    def _deployment(self, store: Store, thing: Json) -> None:
        spec, meta = thing["spec"], thing["metadata"]
        sets = self._owned(store, "replicasets", thing)
        mark = template_hash(spec["template"])
        current = next((s for s in sets if s["metadata"]["labels"].get(_HASH) == mark), None)
        if current is None and not (spec.get("paused") and sets):
            labels = {**spec["template"]["metadata"]["labels"], _HASH: mark}
            inner = {**spec["template"]["metadata"], "labels": labels}
            made = {
                "metadata": {
                    "name": f"{meta['name']}-{mark}",
                    "labels": labels,
                    "ownerReferences": [_reference(thing)],
                },
                "spec": {
                    "replicas": 0,
                    "selector": {"matchLabels": labels},
                    "template": {**spec["template"], "metadata": inner},
                },
            }
            store.create(BY_PLURAL["replicasets"], meta["namespace"], made)
            return
        if current is not None and not spec.get("paused"):
            self._roll(store, thing, current, [s for s in sets if s is not current])
        elif sets:
            newest = max(sets, key=lambda s: int(s["metadata"]["resourceVersion"]))
            self._scale(store, "replicasets", newest, spec["replicas"])
        self._deployment_status(store, thing, current)

    def _roll(self, store: Store, thing: Json, current: Json, old: Sequence[Json]) -> None:
        """Move replicas from the old sets to the current one, within surge and unavailability."""
        wanted = thing["spec"]["replicas"]
        strategy = thing["spec"].get("strategy") or {}
        rolling = strategy.get("rollingUpdate") or {}
        if strategy.get("type") == "Recreate":
            surge, unavailable = 0, wanted
        else:
            surge = _share(rolling.get("maxSurge", "25%"), wanted, up=True)
            unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
            surge = surge or (0 if unavailable else 1)
        left = sum(s["spec"]["replicas"] for s in old)
        if current["spec"]["replicas"] > wanted:
            self._scale(store, "replicasets", current, wanted)
            return
        room = wanted + surge - left - current["spec"]["replicas"]
        if strategy.get("type") == "Recreate" and any(self._living(store, s) for s in old):
            room = 0
        grow = max(0, min(room, wanted - current["spec"]["replicas"]))
        if grow:
            self._scale(store, "replicasets", current, current["spec"]["replicas"] + grow)
            return
        ready = sum(is_ready(pod) for s in (*old, current) for pod in self._living(store, s))
        spare = ready - (wanted - unavailable)
        for one in old:
            pods = self._living(store, one)
            unready = sum(not is_ready(pod) for pod in pods)
            take = min(one["spec"]["replicas"], max(0, spare) + unready)
            if take:
                self._scale(store, "replicasets", one, one["spec"]["replicas"] - take)
                return

    def _deployment_status(self, store: Store, thing: Json, current: Json | None) -> None:
        sets = self._owned(store, "replicasets", thing)
        pods = [pod for one in sets for pod in self._living(store, one)]
        updated = self._living(store, current) if current else []
        ready = sum(map(is_ready, pods))
        counts = {
            "observedGeneration": thing["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": len(updated),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, thing["spec"]["replicas"] - ready),
        }
        self._status(store, "deployments", thing, counts)

    def _replica_set(self, store: Store, thing: Json) -> None:
        pods = self._living(store, thing)
        excess = len(pods) - thing["spec"]["replicas"]
        if excess > 0:
            self._drop(store, sorted(pods, key=_first_to_go)[:excess])
        for _ in range(-excess):
            if not self._make_pod(store, thing, {}):
                break
        pods = self._living(store, thing)
        ready = sum(map(is_ready, pods))
        self._status(
            store, "replicasets", thing,
            {
                "observedGeneration": thing["metadata"]["generation"],
                "replicas": len(pods),
                "readyReplicas": ready,
                "availableReplicas": ready,
            },
        )  # fmt: skip

    def _stateful_set(self, store: Store, thing: Json) -> None:
        spec, name = thing["spec"], thing["metadata"]["name"]
        mark = f"{name}-{template_hash(spec['template'])}"
        every = {pod["metadata"]["name"]: pod for pod in self._owned(store, "pods", thing)}
        names = [f"{name}-{ordinal}" for ordinal in range(spec["replicas"])]
        ordered = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        for one in names:
            if one not in every:
                labels = {_REVISION: mark, "statefulset.kubernetes.io/pod-name": one}
                if not self._make_pod(store, thing, labels, one) or ordered:
                    break
            elif ordered and not is_ready(every[one]):
                break
        surplus = sorted(set(every) - set(names), key=_ordinal, reverse=True)
        going = [every[one] for one in surplus if "deletionTimestamp" not in every[one]["metadata"]]
        self._drop(store, going[:1] if ordered else going)
        pods = self._living(store, thing)
        old = [pod for pod in pods if pod["metadata"]["labels"].get(_REVISION) != mark]
        settled = len(pods) == len(names) and all(map(is_ready, pods))
        update = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate")
        broken = [pod for pod in old if not is_ready(pod)]
        if old and update == "RollingUpdate" and (settled or broken):
            last = max(broken or old, key=lambda pod: _ordinal(pod["metadata"]["name"]))
            self._drop(store, [last])
        pods = self._living(store, thing)
        ready = sum(map(is_ready, pods))
        updated = sum(pod["metadata"]["labels"].get(_REVISION) == mark for pod in pods)
        done = updated == spec["replicas"] == ready
        status = {
            "observedGeneration": thing["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": updated,
            "updateRevision": mark,
            "currentRevision": mark if done else thing["status"].get("currentRevision", mark),
        }
        self._status(store, "statefulsets", thing, status)

    # ---- what limits them ----------------------------------------------------------------------

    def _budget(self, store: Store, thing: Json) -> None:
        spec, space = thing["spec"], thing["metadata"]["namespace"]
        pods = [
            pod
            for pod in store.every("pods", space)
            if selected(spec.get("selector"), pod["metadata"].get("labels") or {})
            and not pod["metadata"].get("deletionTimestamp")
        ]
        if "maxUnavailable" in spec:
            desired = len(pods) - _share(spec["maxUnavailable"], len(pods), up=True)
        else:
            desired = _share(spec.get("minAvailable", 1), len(pods), up=True)
        healthy = sum(map(is_ready, pods))
        self._status(
            store, "poddisruptionbudgets", thing,
            {
                "observedGeneration": thing["metadata"]["generation"],
                "expectedPods": len(pods),
                "currentHealthy": healthy,
                "desiredHealthy": desired,
                "disruptionsAllowed": max(0, healthy - desired),
            },
        )  # fmt: skip

    def _quota(self, store: Store, thing: Json) -> None:
        hard = thing["spec"].get("hard") or {}
        space = thing["metadata"]["namespace"]
        used = {"pods": str(len(store.every("pods", space)))} if "pods" in hard else {}
        self._status(store, "resourcequotas", thing, {"hard": hard, "used": used})

    def _autoscaler(self, store: Store, thing: Json) -> None:
        """Hold the target within the bounds; there are no metrics to scale by."""
        spec, space = thing["spec"], thing["metadata"]["namespace"]
        plural = {"Deployment": "deployments", "StatefulSet": "statefulsets"}.get(
            spec["scaleTargetRef"]["kind"], ""
        )
        target = store.find(plural, space, spec["scaleTargetRef"]["name"])
        if target is None:
            return
        now_at = target["spec"]["replicas"]
        wanted = min(max(now_at, spec["minReplicas"]), spec["maxReplicas"]) if now_at else 0
        self._scale(store, plural, target, wanted)
        self._status(
            store, "horizontalpodautoscalers", thing,
            {"currentReplicas": now_at, "desiredReplicas": wanted},
        )  # fmt: skip

    def _scaled_object(self, store: Store, thing: Json) -> None:
        """Make the autoscaler that KEDA makes, and let it go while scaling is paused."""
        meta, spec = thing["metadata"], thing["spec"]
        space, name = meta["namespace"], f"keda-hpa-{meta['name']}"
        resource, ref = BY_PLURAL["horizontalpodautoscalers"], spec["scaleTargetRef"]
        target = {
            "apiVersion": "apps/v1",
            "kind": ref.get("kind", "Deployment"),
            "name": ref["name"],
        }
        wanted = {
            "scaleTargetRef": target,
            "minReplicas": max(1, spec.get("minReplicaCount", 0)),
            "maxReplicas": spec.get("maxReplicaCount", 100),
        }
        found = store.find(resource.plural, space, name)
        if found is None:
            made = {
                "metadata": {"name": name, "ownerReferences": [_reference(thing)]},
                "spec": wanted,
            }
            store.create(resource, space, made)
            self._status(store, "scaledobjects", thing, {"hpaName": name})
        elif any(found["spec"].get(key) != value for key, value in wanted.items()):
            store.replace(resource, space, name, {**found, "spec": {**found["spec"], **wanted}})


def admit(store: Store, namespace: str) -> None:
    """Raise ApiError 403 where a quota has no room for another pod."""
    for quota in store.every("resourcequotas", namespace):
        hard = (quota["spec"].get("hard") or {}).get("pods")
        used = len(store.every("pods", namespace))
        if hard is not None and used >= int(hard):
            raise ApiError(
                403,
                "Forbidden",
                f"pods is forbidden: exceeded quota: {quota['metadata']['name']}, requested: pods=1, "
                f"used: pods={used}, limited: pods={hard}",
            )


def template_hash(template: Json) -> str:
    """Return what tells one pod template from another."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def _reference(owner: Json) -> Json:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _first_to_go(pod: Json) -> tuple[bool, int, str]:
    cost = int((pod["metadata"].get("annotations") or {}).get(_COST, 0))
    return (is_ready(pod), cost, pod["metadata"]["name"])


def _ordinal(name: str) -> int:
    return int(name.rpartition("-")[2])


def _share(wanted: Any, whole: int, *, up: bool) -> int:
    if isinstance(wanted, str) and wanted.endswith("%"):
        part = whole * int(wanted[:-1]) / 100
        return math.ceil(part) if up else math.floor(part)
    return int(wanted)
