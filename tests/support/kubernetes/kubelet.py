"""What a kubelet tells of a pod: started and ready, ended, killed for want of memory, gone.

The same status documents are written by the contract suite on a real control plane without kubelets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.kubernetes.resources import Json


def is_ready(pod: Json) -> bool:
    """Return whether a pod's condition Ready holds."""
    return any(
        one["type"] == "Ready" and one["status"] == "True"
        for one in (pod.get("status") or {}).get("conditions") or ()
    )


def running(pod: Json, moment: str, *, ready: bool = True, restarts: int = 0) -> Json:
    """Return the status of a pod whose containers run since a moment (RFC 3339)."""
    names = [one["name"] for one in pod["spec"]["containers"]]
    last = (pod.get("status") or {}).get("containerStatuses") or ()
    before = {one["name"]: one.get("lastState", {}) for one in last}
    return {
        "phase": "Running",
        "startTime": moment,
        "conditions": [
            _condition(kind, moment, holds=holds)
            for kind, holds in (
                ("PodScheduled", True),
                ("Initialized", True),
                ("ContainersReady", ready),
                ("Ready", ready),
            )
        ],
        "containerStatuses": [
            _container(
                name, {"running": {"startedAt": moment}}, before.get(name, {}),
                ready=ready, restarts=restarts,
            )
            for name in names
        ],
    }  # fmt: skip


def crash_loop(pod: Json, moment: str, *, reason: str, code: int, restarts: int) -> Json:
    """Return the status of a pod whose containers end again and again."""
    ended = {"terminated": {"reason": reason, "exitCode": code, "finishedAt": moment}}
    waits = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting"}}
    told = running(pod, moment, ready=False)
    told["containerStatuses"] = [
        _container(one["name"], waits, ended, ready=False, restarts=restarts)
        for one in pod["spec"]["containers"]
    ]
    return told


def unschedulable(message: str, moment: str) -> Json:
    """Return the status of a pod that no node takes."""
    condition = _condition("PodScheduled", moment, holds=False)
    condition.update(reason="Unschedulable", message=message)
    return {"phase": "Pending", "conditions": [condition]}


def evicted(message: str, moment: str) -> Json:
    """Return the status of a pod that its node has thrown out."""
    return {"phase": "Failed", "reason": "Evicted", "message": message, "startTime": moment}


def _condition(kind: str, moment: str, *, holds: bool) -> Json:
    return {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": moment}


def _container(
    name: str, state: Mapping[str, Any], last: Mapping[str, Any], *, ready: bool, restarts: int
) -> Json:
    return {
        "name": name,
        "image": "pause",
        "imageID": "",
        "ready": ready,
        "started": ready,
        "restartCount": restarts,
        "state": dict(state),
        "lastState": dict(last),
    }
