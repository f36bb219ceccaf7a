"""Every action there is, by the name that a playbook's step uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from airwarden.remediation.actions.backfills import BackfillPause
from airwarden.remediation.actions.base import Action
from airwarden.remediation.actions.breaker import BreakerClose, BreakerOpen
from airwarden.remediation.actions.canary import CanaryStart
from airwarden.remediation.actions.dags import DagPause
from airwarden.remediation.actions.own import CommandSpec, OwnCommand, OwnWebhook, WebhookSpec
from airwarden.remediation.actions.pool_grow import PoolGrow
from airwarden.remediation.actions.pools import PoolHold
from airwarden.remediation.actions.process import ProcessRestart
from airwarden.remediation.actions.replicas import ReplicasAdd
from airwarden.remediation.actions.retries import TasksRetry
from airwarden.remediation.actions.scheduler_release import SchedulerRelease
from airwarden.remediation.actions.sessions import EndSessions
from airwarden.remediation.actions.tasks import TasksRequeue
from airwarden.remediation.actions.triggering import DagTrigger
from airwarden.remediation.actions.worker_control import (
    WorkerConsume,
    WorkerDrain,
    WorkerShutdown,
)
from airwarden.remediation.actions.worker_restart import WorkerRestart
from airwarden.remediation.actions.workers import WorkersScale
from airwarden.remediation.actions.workers_shrink import WorkersShrink
from airwarden.remediation.actions.workload_restart import WorkloadRestart


def actions(
    commands: Iterable[CommandSpec] = (), webhooks: Iterable[WebhookSpec] = ()
) -> Mapping[str, Action]:
    """Return name → action, the site's own after the shipped ones."""
    every: tuple[Action, ...] = (
        BackfillPause(),
        BreakerClose(),
        BreakerOpen(),
        CanaryStart(),
        DagPause(),
        DagTrigger(),
        EndSessions(),
        PoolGrow(),
        PoolHold(),
        ProcessRestart(),
        ReplicasAdd(),
        SchedulerRelease(),
        TasksRequeue(),
        TasksRetry(),
        WorkerConsume(),
        WorkerDrain(),
        WorkerRestart(),
        WorkerShutdown(),
        WorkersScale(),
        WorkersShrink(),
        WorkloadRestart(),
        *(OwnCommand(spec) for spec in commands),
        *(OwnWebhook(spec) for spec in webhooks),
    )
    return MappingProxyType({action.name: action for action in every})
