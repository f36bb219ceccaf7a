"""Which alert is the cause and which the symptom: while the cause fires, the symptom is muted.

Always within one cluster. A symptom that stays when its cause is gone is heard then. Where an
inhibited alert is critical, its `AirwardenAlertNotTaken` is muted with it: the remediator cannot take
what Alertmanager holds back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_LATE = ("AirflowSchedulerLagHigh", "AirflowSchedulerStalled")
_SILENT = (
    "AirflowSchedulerHeartbeatLost",
    "AirflowTriggererDown",
    "AirflowDagProcessorDown",
    "AirflowApiServerDown",
)
_FAILING = ("AirflowDagFailureRateHigh", "AirflowTeamDagFailureRateHigh")
_BLIND = ("AirflowCollectorFailing", "AirflowSnapshotStale")


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While any of `causes` fires, none of `symptoms` of the same cluster is notified."""

    causes: tuple[str, ...]
    symptoms: tuple[str, ...]
    because: str


INHIBITIONS: tuple[Inhibition, ...] = (
    Inhibition(
        ("AirflowDatabaseDown",),
        (
            "AirflowDatabaseSlow",
            "AirflowDatabaseConnectionsCritical",
            "AirflowSchedulerLockHeld",
            "AirflowSchedulerProcessDown",
            *_LATE,
            *_SILENT,
            *_FAILING,
            *_BLIND,
            "AirflowDataFreshnessBreach",
        ),
        "without its database Airflow neither schedules nor reports, and nothing of it can be read",
    ),
    Inhibition(
        ("AirflowDatabaseSlow",),
        (*_LATE, *_SILENT, *_FAILING, *_BLIND, "AirflowDataFreshnessBreach"),
        "heartbeats and scheduling wait for the database; restarting what waits makes it worse",
    ),
    Inhibition(
        ("AirflowDatabaseConnectionsCritical",),
        ("AirflowSchedulerProcessDown", *_LATE, *_SILENT, *_FAILING, *_BLIND),
        "who gets no connection dies or falls silent",
    ),
    Inhibition(
        ("AirflowSchedulerLockHeld",),
        (*_LATE, "AirflowDataFreshnessBreach"),
        "no scheduler can queue a task while another session holds the lock",
    ),
    Inhibition(
        ("AirflowSchedulerHeartbeatLost", "AirflowSchedulerProcessDown"),
        (*_LATE, "AirflowDataFreshnessBreach"),
        "a scheduler that is gone schedules nothing",
    ),
    Inhibition(
        ("AirflowSchedulerStalled",),
        ("AirflowSchedulerLagHigh", "AirflowDataFreshnessBreach"),
        "being late is what standing still looks like later",
    ),
    Inhibition(
        ("AirflowBrokerDown",),
        (
            *_LATE,
            *_FAILING,
            "AirflowWorkerDown",
            "AirflowWorkerSilent",
            "AirflowTaskQueueDepthHigh",
            "AirflowCollectorFailing",
            "AirflowDataFreshnessBreach",
        ),
        "no task reaches a worker, and the workers answer through the broker",
    ),
    Inhibition(
        ("AirflowApiServerDown",),
        (*_LATE, *_FAILING, "AirflowDataFreshnessBreach"),
        "tasks report through the api-server and fail when they cannot",
    ),
    Inhibition(
        ("AirflowWorkerDown", "AirflowWorkerSilent"),
        ("AirflowSchedulerStalled",),
        "nothing starts because nobody takes it",
    ),
    Inhibition(
        ("AirflowDependencyDown",),
        _FAILING,
        "the DAGs that need it fail",
    ),
    Inhibition(
        ("AirflowDagFailureRateHigh",),
        ("AirflowTeamDagFailureRateHigh",),
        "a fault of the platform shows in every team",
    ),
    Inhibition(
        ("AirflowExporterDown",),
        _BLIND,
        "an exporter that is gone collects nothing",
    ),
    Inhibition(
        ("AirflowSnapshotStale",),
        ("AirflowCollectorFailing",),
        "a collector that hangs holds the snapshot",
    ),
)


def inhibits(cause: str, symptom: str) -> bool:
    """Return whether `cause` mutes `symptom`."""
    return any(cause in rule.causes and symptom in rule.symptoms for rule in INHIBITIONS)


def enabled(names: Iterable[str]) -> tuple[Inhibition, ...]:
    """Return the inhibitions between these alerts only; those left without a side are dropped."""
    known = set(names)
    kept = []
    for rule in INHIBITIONS:
        causes = tuple(name for name in rule.causes if name in known)
        symptoms = tuple(name for name in rule.symptoms if name in known)
        if causes and symptoms:
            kept.append(Inhibition(causes, symptoms, rule.because))
    return tuple(kept)
