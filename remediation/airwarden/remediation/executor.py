"""What the executor has by Airflow's count, beside what the workers really work on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from airwarden.core.counting import counted
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Component, ProcessState
from airwarden.remediation.components import is_late, read_jobs
from airwarden.remediation.world import World

#: Airflow's default of `[core] parallelism`, which it tells to nobody.
PARALLELISM = 32
#: Tasks that are counted however few the schedulers may have.
_AT_LEAST = 1000
#: A worker in one of these has no task.
_WITHOUT = (ProcessState.STOPPED, ProcessState.STARTING)


@dataclass(frozen=True, slots=True)
class ExecutorTasks:
    """What the schedulers have given the executor, by Airflow's count.

    Attributes:
        held: Tasks that are queued or running.
        running: Those that run.
        schedulers: Those that beat.
        each: What each of them may have.
    """

    held: int
    running: int
    schedulers: int
    each: int

    @property
    def full(self) -> bool:
        """Whether no further task is given to the executor; never said where no scheduler beats."""
        return 0 < self.schedulers * self.each <= self.held

    @property
    def sentence(self) -> str:
        """Say it for people."""
        return (
            f"the executor has {counted(self.held, 'task')}; each scheduler that beats ({self.schedulers}) may"
            f" have {self.each} (`[core] parallelism`)"
        )


@dataclass(frozen=True, slots=True)
class ExecutorLoad:
    """One look at both.

    Attributes:
        tasks: By Airflow's count.
        workers: Workers that answer.
        active, slots: What they work on, and could.
    """

    tasks: ExecutorTasks
    workers: int
    active: int
    slots: int

    def phantom(self, least: int) -> bool:
        """Whether slots only look taken: Airflow counts so many more running tasks than workers with room have."""
        return self.tasks.running - self.active >= least and self.active < self.slots

    @property
    def sentence(self) -> str:
        """Say it for people."""
        return (
            f"Airflow counts {counted(self.tasks.running, 'running task')}; the workers ({self.workers}) work on"
            f" {self.active} and have {counted(self.slots, 'slot')}"
        )


def executor_tasks(world: World, parallelism: int = PARALLELISM) -> ExecutorTasks:
    """Return what Airflow counts.

    Args:
        world: The cluster.
        parallelism: Airflow's `[core] parallelism`, for each scheduler.

    Raises:
        UnavailableError: It cannot be read.
    """
    jobs, now = read_jobs(world, Component.SCHEDULER), world.clock.now()
    schedulers = sum(not is_late(job, now) for job in jobs)
    most = max(_AT_LEAST, schedulers * parallelism)
    tasks = world.rest.task_instances(states=("queued", "running"), limit=most)
    return ExecutorTasks(
        held=len(tasks),
        running=sum(task.state == "running" for task in tasks),
        schedulers=schedulers,
        each=parallelism,
    )


def executor_load(world: World, parallelism: int = PARALLELISM) -> ExecutorLoad:
    """Return both counts; see `executor_tasks`.

    Raises:
        UnavailableError: One of them cannot be read, or a worker that is alive does not answer.
    """
    tasks = executor_tasks(world, parallelism)
    workers = world.celery.workers()
    _all_answer(world, {worker.hostname for worker in workers})
    return ExecutorLoad(
        tasks=tasks,
        workers=len(workers),
        active=sum(worker.active for worker in workers),
        slots=sum(worker.concurrency for worker in workers),
    )


def _all_answer(world: World, answering: Collection[str]) -> None:
    """Raise UnavailableError where a worker may have tasks and does not say which.

    It is busy, being stopped, or cut off from the broker: its tasks would look like nobody's.
    """
    known = world.host.processes(Component.WORKER) if world.host is not None else ()
    for one in known:
        alive = not one.state.proved_dead and one.state not in _WITHOUT
        if alive and one.celery_hostname and one.celery_hostname not in answering:
            raise UnavailableError(f"{one.name} is {one.state.value} and does not answer Celery")
