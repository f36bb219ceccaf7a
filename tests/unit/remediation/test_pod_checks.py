"""What Kubernetes says of the pods, for whoever is called: how they ended, and what refuses them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from airwarden.adapters.fakes import FakeClock
from airwarden.core.components import Component
from airwarden.core.errors import UnavailableError
from airwarden.core.kubernetes import Pod, Termination, Workload, WorkloadKind
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.checks.pods import PodsInTrouble, PodsRefused
from airwarden.remediation.world import Subject, World

KILLED = Termination("OOMKilled", 137)


class Namespace:
    """Pods and workloads of a test."""

    def __init__(
        self,
        pods: Sequence[Pod] = (),
        workloads: Sequence[Workload] = (),
        refusals: Sequence[str] = (),
        *,
        broken: bool = False,
    ) -> None:
        self._pods, self._workloads, self._refusals = pods, workloads, refusals
        self._broken = broken

    def pods(self, component: Component | None = None) -> Sequence[Pod]:
        if self._broken:
            raise UnavailableError("no answer")
        return [one for one in self._pods if component in (None, one.component)]

    def workloads(self, component: Component | None = None) -> Sequence[Workload]:
        if self._broken:
            raise UnavailableError("no answer")
        return [one for one in self._workloads if component in (None, one.component)]

    def refusals(self, workload: Workload) -> Sequence[str]:
        del workload
        return self._refusals


def world(namespace: Any) -> World:
    return World("east", FakeClock(), kubernetes=namespace)


def about(component: str = "") -> Subject:
    return Subject("1", "pods-unwell", {"component": component}, datetime.now(UTC))


def pod(name: str, component: Component = Component.SCHEDULER, **more: Any) -> Pod:
    return Pod(name, name, component, phase=more.pop("phase", "Running"), **more)


def worker(wanted: int, total: int) -> Workload:
    return Workload(
        WorkloadKind.DEPLOYMENT, "airflow-worker", "u", Component.WORKER, wanted=wanted, total=total
    )


def test_each_trouble_is_said_once_with_how_the_pod_ended() -> None:
    loop: dict[str, Any] = {"reason": "CrashLoopBackOff", "last_end": KILLED, "oom_kills": 1}
    pods = [pod("s-1", **loop), pod("s-2", **loop), pod("s-3", running=True)]
    read = PodsInTrouble().read(world(Namespace(pods)), about("scheduler"), {})

    assert read.verdict is Verdict.TRUE
    assert read.sentence == (
        "s-1 and 1 other: CrashLoopBackOff; last ended: OOMKilled, exit code 137"
    )


def test_a_pod_on_its_way_or_going_is_in_no_trouble() -> None:
    pods = [
        pod("w-1", Component.WORKER, phase="Pending", reason="ContainerCreating"),
        pod("w-2", Component.WORKER, reason="Error", ending=True),
        pod("s-1", reason="ImagePullBackOff"),
    ]
    read = PodsInTrouble().read(world(Namespace(pods)), about("worker"), {})
    assert (read.verdict, read.sentence) == (Verdict.FALSE, "none of 2 pods is in trouble")


def test_who_was_killed_and_runs_again_is_told_of() -> None:
    pods = [pod("s-1", running=True, last_end=KILLED, oom_kills=1)]
    read = PodsInTrouble().read(world(Namespace(pods)), about(), {})
    assert read.sentence == "s-1: last ended: OOMKilled, exit code 137"


def test_what_cannot_be_created_is_told_with_the_newest_event() -> None:
    said = 'pods "w" is forbidden: exceeded quota: room, used: pods=4, limited: pods=4'
    namespace = Namespace(workloads=[worker(6, 4)], refusals=[said, "older"])
    read = PodsRefused().read(world(namespace), about("worker"), {})

    assert read.verdict is Verdict.TRUE
    assert read.sentence == f"airflow-worker has 4 of 6 pods: {said}"
    whole = PodsRefused().read(world(Namespace(workloads=[worker(4, 4)])), about("worker"), {})
    assert whole.verdict is Verdict.FALSE


def test_what_cannot_be_read_is_no_verdict() -> None:
    for check in (PodsInTrouble(), PodsRefused()):
        assert check.read(world(Namespace(broken=True)), about(), {}).verdict is Verdict.UNKNOWN
        assert check.read(world(None), about(), {}).verdict is Verdict.UNKNOWN
