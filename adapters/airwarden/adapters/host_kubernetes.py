"""The `Host` port over Kubernetes: each pod of a component is a process.

A restart is an eviction of exactly that pod: it respects disruption budgets, and goes on if we die in the
middle of it. A pod of a Deployment has a successor of another name; what stays is the process's `unit`.
A container that ends is started again by its kubelet, so a crash loop is a process that is starting, with
its last end as the detail: replacing the pod would change nothing. Frozen processes cannot be seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from airwarden.core.errors import AirwardenError, ConflictError, NotFoundError, RejectedError
from airwarden.core.kubernetes import Kubernetes, Pod
from airwarden.core.platform import Component, HostProcess, ProcessState

_OVER = ("Succeeded", "Failed")


class KubernetesHost:
    """The pods of one namespace as processes.

    Args:
        kubernetes: The namespace.
        celery_hostname: Celery's node name of a worker, with `{pod}` for the pod's name; the official
            chart's is `celery@{pod}`.
        appear_timeout: Seconds that a restart waits to see the successor. An eviction that was taken on
            is carried out whether it is seen or not, so nothing is wrong when they are over.
    """

    def __init__(
        self,
        kubernetes: Kubernetes,
        *,
        celery_hostname: str = "celery@{pod}",
        appear_timeout: float = 15.0,
    ) -> None:
        self._kubernetes = kubernetes
        self._celery_hostname = celery_hostname
        self._appear_timeout = appear_timeout

    def processes(self, component: Component | None = None) -> Sequence[HostProcess]:
        """Return the components' pods; what has ended for good and was replaced is left out."""
        found = self._kubernetes.pods(component)
        return [self._process(pod) for pod in found if pod.phase not in _OVER]

    def restart(self, name: str, *, generation: str) -> None:
        """Evict the pod of this incarnation, and wait a while to see its successor.

        Raises:
            ConflictError: It is another incarnation already; nothing was done.
            NotFoundError: There is no such pod.
            RejectedError: A disruption budget forbids it.
        """
        pod = self._find(name)
        if pod.incarnation != generation:
            raise ConflictError(f"{name} is {pod.incarnation} now, not {generation}: read it again")
        known = {one.uid for one in self._kubernetes.pods(pod.component)}
        if not pod.ending:
            self._kubernetes.evict(pod, why=f"{pod.component.value} is replaced by Airwarden")
        begun = time.monotonic()
        while time.monotonic() - begun < self._appear_timeout:
            if self._succeeded(pod, known):
                return
            time.sleep(0.1)

    def start(self, name: str) -> None:
        """Do nothing for a pod that is there.

        Raises:
            NotFoundError: There is no such pod; the number of pods is its workload's.
        """
        self._find(name)

    def stop(self, name: str) -> None:
        """Refuse: a pod that is stopped is replaced at once."""
        raise RejectedError(f"{name} would be replaced at once: scale what keeps it")

    def _find(self, name: str) -> Pod:
        for pod in self._kubernetes.pods():
            if pod.name == name and pod.phase not in _OVER:
                return pod
        raise NotFoundError(f"there is no pod {name} of Airflow's")

    def _succeeded(self, old: Pod, known: set[str]) -> bool:
        """Return whether the workload has a pod that was not there before."""
        try:
            now = self._kubernetes.pods(old.component)
        except AirwardenError:
            # The eviction was taken on: an error of this look must not say that nothing was done.
            return False
        return any(pod.workload == old.workload and pod.uid not in known for pod in now)

    def _process(self, pod: Pod) -> HostProcess:
        worker = pod.component is Component.WORKER
        return HostProcess(
            name=pod.name,
            component=pod.component,
            state=_state(pod),
            started_at=pod.started,
            celery_hostname=self._celery_hostname.format(pod=pod.name) if worker else "",
            incarnation=pod.incarnation,
            unit="" if pod.stable else pod.workload,
            detail=pod.trouble,
        )


def _state(pod: Pod) -> ProcessState:
    if pod.ending:
        return ProcessState.STOPPING
    if pod.phase == "Unknown":
        return ProcessState.UNKNOWN
    return ProcessState.RUNNING if pod.running else ProcessState.STARTING
