"""Which workers may be taken away: those that the load does not ask for, that have no task, and that nobody needs.

How many is the decision of the `auto_scaling:` block on what was measured (`fitting.surplus`); which ones is decided
here, on what the workers say now. Where something else scales them, or none can be told to go before the others, all
stay, and it is said why. The action that takes them away and the checks around it look through these eyes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from airwarden.core.counting import counted
from airwarden.core.errors import UnavailableError
from airwarden.core.kubernetes import Kubernetes, Workload, WorkloadKind
from airwarden.core.platform import Component, HostProcess, ProcessState, Worker
from airwarden.remediation.actions.breaker import BROKER, is_open
from airwarden.remediation.decide.autoscaling import Decision, Node
from airwarden.remediation.fitting import surplus
from airwarden.remediation.world import Ledger, World

#: The action that takes workers away; what it drained it knows by the journal.
SHRINK = "workers.shrink"
#: Smaller fleets stay: the rails take none down there that serves.
FEWEST = 5
#: Workers that go at once: a tenth, and so few that a drained one is not idle for minutes before it goes.
_SHARE, _AT_ONCE = 10, 5
#: Seconds after which a drained worker is not ours any more: it is given back long before.
_DRAINED = 3600.0
#: Seconds within which a drained worker has to go. `AirflowWorkerSilent` tells of it from four minutes on.
STALE = 180.0
_UP = (ProcessState.RUNNING, ProcessState.STARTING)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers as they are now.

    Attributes:
        running: Processes that run, by name.
        workers: What each answers, by its process; all of them do.
        drained: Names of those that take nothing because we said so.
    """

    running: Sequence[HostProcess]
    workers: Mapping[str, Worker]
    drained: Collection[str]

    def nodes(self) -> list[Node]:
        """Return them as the decision looks at them."""
        return [
            Node(name, one.active + one.reserved, name in self.drained)
            for name, one in self.workers.items()
        ]

    def idle(self, name: str) -> bool:
        """Return whether a worker has no task, and has taken none that it has not begun."""
        return not self.workers[name].active and not self.workers[name].reserved


@dataclass(frozen=True, slots=True)
class Spare:
    """What may go now.

    Attributes:
        decision: How many the load asks for; None where that was not asked, for one of the reasons below.
        fleet: The workers that there are, if they were looked at.
        going: Those that may be drained now, in the order in which they would go.
        waits: Why none may go now, which passes.
        refusal: Why none may ever go as things are.
    """

    decision: Decision | None = None
    fleet: Fleet | None = None
    going: tuple[HostProcess, ...] = ()
    waits: str = ""
    refusal: str = ""


def spare(world: World) -> Spare:
    """Return which workers may go now.

    Raises:
        UnavailableError: The supervisor, the workers or Prometheus cannot be read.
    """
    if world.scaling is None:
        why = "no resource_allocation.auto_scaling says when there are too many workers"
        return Spare(refusal=why)
    if is_open(world, BROKER):
        return Spare(waits="the broker's breaker is open")
    found = _processes(world)
    if len(found) < FEWEST:
        count = counted(len(found), "worker")
        return Spare(refusal=f"{count} run, and of fewer than {FEWEST} none is taken away")
    orders, reasons, passing = _orders(world, found)
    if not orders:
        why = "; ".join(reasons) or "there is no workload of workers"
        return Spare(waits=why) if passing else Spare(refusal=why)
    fleet = _fleet(world, found)
    if isinstance(fleet, str):
        return Spare(waits=fleet)
    decision = surplus(world, world.scaling, len(found), fleet.nodes())
    most = min(len(decision.nodes), max(1, len(found) // _SHARE), _AT_ONCE)
    going = _going(world, fleet, orders, most)
    waits = "" if going else "every worker that may go has a task now, or is needed for its queue"
    return Spare(decision, fleet, going, waits)


def _processes(world: World) -> list[HostProcess]:
    if world.host is None:
        raise UnavailableError("no process supervisor is configured")
    found = [one for one in world.host.processes(Component.WORKER) if one.state in _UP]
    return sorted(found, key=lambda one: one.name)


def _fleet(world: World, running: Sequence[HostProcess]) -> Fleet | str:
    """Return what the workers say, or why they cannot be judged: one is silent or does not answer."""
    if world.workers is None or world.ledger is None:
        raise UnavailableError("neither Celery's remote control nor the journal is there")
    answers = {one.hostname: one for one in world.workers.workers()}
    ours = _drained_lately(world.ledger, world.cluster)
    workers, drained = {}, set()
    for process in running:
        worker = answers.get(process.celery_hostname)
        if worker is None:
            return f"{process.name} does not answer Celery: that comes first"
        workers[process.name] = worker
        if worker.queues:
            continue
        if process.name not in ours:
            return f"{process.name} answers and consumes nothing: that comes first"
        drained.add(process.name)
    return Fleet(running, workers, drained)


def stale(world: World) -> frozenset[str]:
    """Return the processes that were drained by us too long ago to go."""
    if world.ledger is None:
        return frozenset()
    begun = world.ledger.begun(world.cluster, (SHRINK,), within=_DRAINED)
    last = {str(one.parameters.get("process")): one for one in begun}
    return frozenset(
        name
        for name, one in last.items()
        if one.parameters.get("desired") == "draining" and one.ago > STALE
    )


def _drained_lately(ledger: Ledger, cluster: str) -> frozenset[str]:
    """Return the processes of which the last that we did was to drain, or to stop them."""
    last = {
        str(one.parameters.get("process")): one.parameters.get("desired")
        for one in ledger.begun(cluster, (SHRINK,), within=_DRAINED)
    }
    return frozenset(name for name, what in last.items() if what in ("draining", "stopped"))


def _orders(
    world: World, running: Sequence[HostProcess]
) -> tuple[list[list[HostProcess]], list[str], bool]:
    """Return the orders in which workers can go, each by itself; why others cannot; and whether that passes.

    A supervised process goes alone; of a StatefulSet the highest goes first. What scales itself is left to it.
    """
    kube = world.kubernetes
    if kube is None:
        return [[process] for process in running], [], False
    found: list[list[HostProcess]] = []
    reasons, passing = [], False
    for workload in kube.workloads(Component.WORKER):
        if reason := _not_ours(kube, workload):
            reasons.append(reason)
            continue
        if workload.rolling or not workload.total == workload.ready == workload.wanted:
            ready = f"{workload.ready} of {workload.wanted} pods are ready"
            reasons.append(f"{workload.name} is not settled: {ready}")
            passing = True
            continue
        pods = {pod.name for pod in kube.pods(Component.WORKER) if pod.workload == workload.name}
        own = [process for process in running if process.name in pods]
        found.append(sorted(own, key=lambda one: int(one.name.rpartition("-")[2]), reverse=True))
    return found, reasons, passing


def _not_ours(kube: Kubernetes, workload: Workload) -> str:
    """Return why the number of a workload's pods is not ours to lower, or nothing."""
    seen = kube.capacity(workload)
    if seen.elastic:
        return (
            f"{seen.owner} {seen.owner_name} scales {workload.name} by itself, from {seen.minimum} to "
            f"{seen.maximum} pods: a lower minimum there is what lets more go"
        )
    if workload.kind is not WorkloadKind.STATEFUL_SET:
        return f"{workload.name} is a Deployment: which of its pods goes, busy or not, cannot be chosen"
    return ""


def _going(
    world: World, fleet: Fleet, orders: Sequence[Sequence[HostProcess]], most: int
) -> tuple[HostProcess, ...]:
    """Choose so many at most that are idle and not needed; on Kubernetes of one workload only."""
    chosen: list[HostProcess] = []
    for order in orders:
        if chosen and world.kubernetes is not None:
            break
        for process in order:
            going = {one.name for one in chosen} | set(fleet.drained)
            if process.name in fleet.drained:
                continue
            if len(chosen) >= most or not fleet.idle(process.name):
                break
            if not _bears(world, fleet, fleet.workers[process.name], going | {process.name}):
                break
            chosen.append(process)
    return tuple(chosen)


def _bears(world: World, fleet: Fleet, worker: Worker, without: Collection[str]) -> bool:
    """Return whether of each of its queues enough workers are left for what runs, at the policy's aim."""
    assert world.scaling is not None  # noqa: S101 - `spare` asks first
    left = [one for name, one in fleet.workers.items() if name not in without]
    for queue in worker.queues:
        serving = [one for one in left if queue in one.queues]
        slots = sum(one.concurrency for one in serving)
        if (
            sum(one.active + one.reserved for one in serving) > slots * world.scaling.aim
            or not slots
        ):
            return False
    return True
