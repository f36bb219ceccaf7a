"""How a fleet of interchangeable workers looks, and the look that is taken every few seconds."""

from __future__ import annotations

from dataclasses import dataclass

from airwarden.core.platform import Component, ProcessState
from airwarden.remediation.world import World


@dataclass(frozen=True, slots=True)
class FleetReading:
    """The supervised workers, by name.

    Attributes:
        members: Those that are wanted: what was stopped on purpose is no member.
        serving: Those that run and consume from a queue.
    """

    members: frozenset[str]
    serving: frozenset[str]


def read_fleet(world: World) -> FleetReading:
    """Read which workers there are and which of them serve.

    A worker whose name in Celery is not known counts as serving while it runs.

    Raises:
        UnavailableError: The supervisor or Celery's remote control does not answer, or there is no
            supervisor.
    """
    wanted = [
        one
        for one in world.supervisor.processes(Component.WORKER)
        if one.state is not ProcessState.STOPPED
    ]
    running = [one for one in wanted if one.state is ProcessState.RUNNING]
    serving = {one.name for one in running}
    if world.workers is not None and any(one.celery_hostname for one in running):
        consuming = {worker.hostname for worker in world.workers.workers() if worker.queues}
        serving = {
            one.name
            for one in running
            if not one.celery_hostname or one.celery_hostname in consuming
        }
    return FleetReading(frozenset(one.name for one in wanted), frozenset(serving))
