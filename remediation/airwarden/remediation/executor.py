"""What the executor has by Airflow's count, beside what the workers really work on."""

from __future__ import annotations

from dataclasses import dataclass

from airwarden.core.counting import counted
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Component
from airwarden.remediation.components import is_late, read_jobs
from airwarden.remediation.world import World


@dataclass(frozen=True, slots=True)
class ExecutorLoad:
    """One look at both.

    Attributes:
        held: Tasks that are queued or running by Airflow's count.
        running: Those that run.
        most: What the schedulers that beat may have.
        active, slots: What the workers work on, and could.
    """

    held: int
    running: int
    most: int
    active: int
    slots: int

    @property
    def full(self) -> bool:
        """Whether no further task is given to the executor."""
        return 0 < self.most <= self.held

    @property
    def phantom(self) -> int:
        """How many more tasks run by Airflow's count than the workers have."""
        return self.running - self.active

    @property
    def idle(self) -> bool:
        """Whether workers have free slots."""
        return self.active < self.slots

    @property
    def sentence(self) -> str:
        """Say it for people."""
        return (
            f"the executor has {counted(self.held, 'task')} of at most {self.most}, {self.running} run by"
            f" Airflow's count and {self.active} at the workers, which have {counted(self.slots, 'slot')}"
        )


def executor_load(world: World, parallelism: int) -> ExecutorLoad:
    """Return both counts.

    Args:
        world: The cluster.
        parallelism: Airflow's `[core] parallelism`, for each scheduler.

    Raises:
        UnavailableError: One of them cannot be read.
    """
    if world.workers is None:
        raise UnavailableError("Celery's remote control is not configured")
    tasks = world.rest.task_instances(states=("queued", "running"))
    workers, now = world.workers.workers(), world.clock.now()
    beating = sum(not is_late(job, now) for job in read_jobs(world, Component.SCHEDULER))
    return ExecutorLoad(
        held=len(tasks),
        running=sum(task.state == "running" for task in tasks),
        most=parallelism * beating,
        active=sum(worker.active for worker in workers),
        slots=sum(worker.concurrency for worker in workers),
    )
