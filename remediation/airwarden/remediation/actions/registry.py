"""Every action there is, by the name that a playbook's step uses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from airwarden.remediation.actions.base import Action
from airwarden.remediation.actions.breaker import BreakerClose, BreakerOpen
from airwarden.remediation.actions.canary import CanaryStart
from airwarden.remediation.actions.dags import DagPause
from airwarden.remediation.actions.pools import PoolHold
from airwarden.remediation.actions.process import ProcessRestart
from airwarden.remediation.actions.sessions import EndSessions
from airwarden.remediation.actions.tasks import TasksRequeue
from airwarden.remediation.actions.worker_restart import WorkerRestart
from airwarden.remediation.actions.workers import WorkersScale


def actions() -> Mapping[str, Action]:
    """Return name → action."""
    every: tuple[Action, ...] = (
        BreakerClose(),
        BreakerOpen(),
        CanaryStart(),
        DagPause(),
        EndSessions(),
        PoolHold(),
        ProcessRestart(),
        TasksRequeue(),
        WorkerRestart(),
        WorkersScale(),
    )
    return MappingProxyType({action.name: action for action in every})
