"""Every check there is, by the name that a playbook uses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from airwarden.remediation.checks.base import Check
from airwarden.remediation.checks.capacity import (
    DagFloods,
    FewTasksWait,
    NoDagFloods,
    PoolFlowing,
    PoolStarving,
    QueuedTasksLost,
    QueuedTasksYoung,
    TimePassed,
)
from airwarden.remediation.checks.component import ComponentHealthy, ComponentLate
from airwarden.remediation.checks.database import (
    DatabaseBlocked,
    DatabaseConnectionsOk,
    DatabaseFast,
    DatabaseFree,
    IdleLongEnough,
    SchedulerLockFree,
)
from airwarden.remediation.checks.dependencies import (
    BrokerAnswers,
    BrokerDown,
    CanarySucceeded,
    DependencyAnswers,
    DependencyDown,
)
from airwarden.remediation.checks.diagnosis import (
    ApiServerSlow,
    DeferredStuck,
    ExecutorFull,
    PhantomTasks,
    PoolsFull,
    TaskHeldBack,
)
from airwarden.remediation.checks.killed import DatabaseBlocker, KilledTasks, TransactionsShort
from airwarden.remediation.checks.metrics import Metric
from airwarden.remediation.checks.pods import PodsInTrouble, PodsRefused, WorkloadRolledOut
from airwarden.remediation.checks.sparing import WorkersIdle, WorkerSpare, WorkersSuffice
from airwarden.remediation.checks.work import (
    QueueDeep,
    QueueDrained,
    TasksMoving,
    TasksStalled,
    WorkerConsuming,
    WorkerIdle,
    WorkerSilent,
)


def checks() -> Mapping[str, Check]:
    """Return name → check."""
    every: tuple[Check, ...] = (
        BrokerAnswers(),
        BrokerDown(),
        CanarySucceeded(),
        ComponentHealthy(),
        ComponentLate(),
        DatabaseBlocked(),
        DatabaseConnectionsOk(),
        DatabaseFast(),
        DatabaseFree(),
        DependencyAnswers(),
        DependencyDown(),
        IdleLongEnough(),
        Metric(),
        QueueDeep(),
        QueueDrained(),
        SchedulerLockFree(),
        TasksMoving(),
        TasksStalled(),
        WorkerConsuming(),
        WorkerIdle(),
        WorkerSilent(),
        WorkerSpare(),
        WorkersIdle(),
        WorkersSuffice(),
        DagFloods(),
        DatabaseBlocker(),
        FewTasksWait(),
        KilledTasks(),
        NoDagFloods(),
        PoolFlowing(),
        PoolStarving(),
        QueuedTasksLost(),
        QueuedTasksYoung(),
        TimePassed(),
        ApiServerSlow(),
        DeferredStuck(),
        ExecutorFull(),
        PhantomTasks(),
        PodsInTrouble(),
        PodsRefused(),
        PoolsFull(),
        TaskHeldBack(),
        TransactionsShort(),
        WorkloadRolledOut(),
    )
    return MappingProxyType({check.name: check for check in every})
