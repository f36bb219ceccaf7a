"""Which alert is the cause and which the symptom: while the cause fires, the symptom is muted.

Always within one cluster, and where that is said within one team. A symptom that stays when its cause is gone is heard then. Where an
inhibited alert is critical, its `AirwardenAlertNotTaken` is muted with it: the remediator cannot take
what Alertmanager holds back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Scheduling is behind.
_LATE = (
    "AirflowSchedulerLagHigh",
    "AirflowSchedulerStalled",
    "AirflowScheduleDelayWarn",
    "AirflowScheduleDelayCrit",
    "AirflowDagRunOverdue",
    "AirflowRunsNeverCreated",
)
#: A component seems to be gone.
_SILENT = (
    "AirflowSchedulerHeartbeatLost",
    "AirflowSchedulersHalfDown",
    "AirflowTriggererDown",
    "AirflowDagProcessorDown",
    "AirflowApiServerDown",
)
#: DAGs and tasks fail.
_FAILING = (
    "AirflowDagFailureRateHigh",
    "AirflowTeamDagFailureRateHigh",
    "AirflowCriticalDagKeepsFailing",
    "AirflowCriticalDagFailed",
    "AirflowDagConsecutiveFailures",
    "AirflowOperatorFailuresUnusual",
    "AirflowRetryStorm",
)
#: Tasks wait before the executor.
_HELD = ("AirflowScheduledShareHigh", "AirflowPoolStarving", "AirflowExecutorSlotsLow")
#: Tasks wait behind it.
_QUEUED = (
    "AirflowQueueStalled",
    "AirflowBacklogGrowing",
    "AirflowQueuedShareHigh",
    "AirflowOldestQueuedTask",
    "AirflowQueueDrift",
)
#: Tasks do not go on.
_STUCK = ("AirflowTasksStuck", "AirflowTaskHeartbeatTimeouts", "AirflowStateInconsistent")
_WAITING = (*_HELD, *_QUEUED, *_STUCK, "AirflowTriggersWaiting", "AirflowTasksNotPublished")
#: What was promised is not there, or will not be.
_STALE = (
    "AirflowDataFreshnessBreach",
    "AirflowCriticalDataFreshnessBreach",
    "AirflowSlaAtRisk",
    "AirflowDeadlineMissed",
    "AirflowRunsBelowUsual",
)
#: Tasks of a queue do not come through, or the platform loses them.
_LOST = ("AirflowCanaryMissing", "AirflowPlatformFailsTasks")
_BURNING = (
    "AirflowErrorBudgetBurnFast",
    "AirflowErrorBudgetBurnSlow",
    "AirflowErrorBudgetExhausted",
)
_BLIND = ("AirflowCollectorFailing", "AirflowSnapshotStale")
#: What a client that blocks or exhausts the database looks like.
_SESSIONS = (
    "AirflowDatabaseConnectionsHigh",
    "AirflowDatabaseIdleInTransaction",
    "AirflowDatabaseLongTransaction",
    "AirflowPgBouncerWaiting",
    "AirflowPgBouncerMaxWait",
)
_PLATFORM = (*_LATE, *_SILENT, *_FAILING, *_WAITING, *_STALE, *_BURNING)


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While any of `causes` fires, none of `symptoms` with the same `equal` labels is notified."""

    causes: tuple[str, ...]
    symptoms: tuple[str, ...]
    because: str
    equal: tuple[str, ...] = ("cluster",)


#: Pods that are not there, as it looks from Airflow: with the component's name.
_DOWN = (
    "AirflowSchedulerHeartbeatLost",
    "AirflowSchedulerProcessDown",
    "AirflowTriggererDown",
    "AirflowDagProcessorDown",
    "AirflowApiServerDown",
    "AirflowWorkerDown",
)

INHIBITIONS: tuple[Inhibition, ...] = (
    Inhibition(
        ("AirflowDatabaseDown",),
        (
            "AirflowDatabaseSlow",
            "AirflowDatabaseConnectionsCritical",
            "AirflowSchedulerLockHeld",
            "AirflowSchedulerProcessDown",
            *_SESSIONS,
            *_PLATFORM,
            *_LOST,
            *_BLIND,
        ),
        "without its database Airflow neither schedules nor reports, and nothing of it can be read",
    ),
    Inhibition(
        ("AirflowPgBouncerDown",),
        (
            "AirflowDatabaseDown",
            "AirflowDatabaseSlow",
            "AirflowSchedulerProcessDown",
            "AirflowPgBouncerWaiting",
            "AirflowPgBouncerMaxWait",
            *_PLATFORM,
            *_LOST,
            *_BLIND,
        ),
        "who connects through the pooler finds no database while it is away",
    ),
    Inhibition(
        ("AirflowDatabaseSlow",),
        (*_PLATFORM, *_BLIND, "AirflowPgBouncerWaiting", "AirflowPgBouncerMaxWait"),
        "heartbeats and scheduling wait for the database; restarting what waits makes it worse",
    ),
    Inhibition(
        ("AirflowDatabaseConnectionsCritical",),
        ("AirflowSchedulerProcessDown", *_SESSIONS, *_PLATFORM, *_BLIND),
        "who gets no connection dies or falls silent",
    ),
    Inhibition(
        ("AirflowSchedulerLockHeld",),
        (
            *_LATE,
            *_HELD,
            *_STALE,
            "AirflowCanaryMissing",
            "AirflowDatabaseIdleInTransaction",
            "AirflowDatabaseLongTransaction",
        ),
        "no scheduler can queue a task while another session holds the lock",
    ),
    Inhibition(
        ("AirflowSchedulerHeartbeatLost", "AirflowSchedulerProcessDown"),
        (*_LATE, *_HELD, *_STUCK, *_STALE, "AirflowSchedulersHalfDown"),
        "a scheduler that is gone schedules nothing",
    ),
    Inhibition(
        ("AirflowSchedulerStalled",),
        (
            *(name for name in _LATE if name != "AirflowSchedulerStalled"),
            *_HELD,
            *_STALE,
            "AirflowCanaryMissing",
        ),
        "being late is what standing still looks like later",
    ),
    Inhibition(
        ("AirflowSchedulerLagHigh",),
        (
            "AirflowScheduleDelayWarn",
            "AirflowScheduleDelayCrit",
            "AirflowDagRunOverdue",
            "AirflowRunsNeverCreated",
        ),
        "a scheduler that is behind starts every run late",
    ),
    Inhibition(
        ("AirflowScheduleDelayCrit",),
        ("AirflowScheduleDelayWarn", "AirflowDagRunOverdue"),
        "the same delay, beyond the higher limit",
    ),
    Inhibition(
        ("AirflowBrokerDown",),
        (
            *_LATE,
            *_FAILING,
            *_WAITING,
            *_STALE,
            *_LOST,
            "AirflowWorkerDown",
            "AirflowWorkerSilent",
            "AirflowWorkersBelowMinimum",
            "AirflowTaskQueueDepthHigh",
            "AirflowCollectorFailing",
        ),
        "no task reaches a worker, and the workers answer through the broker",
    ),
    Inhibition(
        ("AirflowApiServerDown",),
        (*_LATE, *_FAILING, *_STUCK, *_STALE, *_LOST),
        "tasks report through the api-server and fail when they cannot",
    ),
    Inhibition(
        ("AirflowWorkerDown", "AirflowWorkerSilent"),
        ("AirflowSchedulerStalled", "AirflowQueuedShareHigh", "AirflowOldestQueuedTask", *_STUCK),
        "nothing starts, and nothing goes on, because nobody takes it",
    ),
    Inhibition(
        ("AirflowWorkersBelowMinimum",),
        ("AirflowSchedulerStalled", *_QUEUED, *_STUCK),
        "without workers every queue stands still",
    ),
    Inhibition(
        ("AirflowPodsCrashLooping",),
        (*_DOWN, "AirflowWorkersBelowMinimum", "AirflowRolloutStuck", "AirflowPodOomKilled"),
        "what ends as soon as it is started is down, and a restart would not mend it",
        equal=("cluster", "component"),
    ),
    Inhibition(
        (*_DOWN, "AirflowWorkersBelowMinimum"),
        ("AirflowPodsPending", "AirflowPodsMissing", "AirflowRolloutStuck"),
        "the page that it is down tells why its pods are no further",
        equal=("cluster", "component"),
    ),
    Inhibition(
        ("AirflowPodsPending", "AirflowPodsMissing"),
        ("AirflowRolloutStuck", "AirflowPodQuota", "AirflowScalerAtMaximum"),
        "who gets no pods cannot roll out, and asks in vain",
    ),
    Inhibition(
        ("AirflowQueueStalled",),
        ("AirflowBacklogGrowing", "AirflowQueuedShareHigh", "AirflowOldestQueuedTask"),
        "a queue that stands still fills",
    ),
    Inhibition(
        # One that only grows is told all the same: more workers have not helped, and whose tasks
        # fill it is asked next.
        ("AirflowTaskQueueDepthHigh",),
        ("AirflowQueuedShareHigh", "AirflowOldestQueuedTask"),
        "a deep queue is a long wait",
    ),
    Inhibition(
        ("AirflowTriggererDown",),
        ("AirflowTriggersWaiting", "AirflowTriggererSaturated", "AirflowTasksStuck"),
        "triggers wait for a triggerer",
    ),
    Inhibition(
        ("AirflowDagProcessorDown",),
        ("AirflowDagParseSlow",),
        "who is gone parses nothing",
    ),
    Inhibition(
        ("AirflowDagsVanished",),
        (*_STALE, "AirflowImportErrors"),
        "DAGs that are gone make nothing",
    ),
    Inhibition(
        ("AirflowDependencyDown",),
        (*_FAILING, "AirflowConnectionFailing"),
        "the DAGs that need it fail",
    ),
    Inhibition(
        ("AirflowDagFailureRateHigh",),
        tuple(name for name in _FAILING if name != "AirflowDagFailureRateHigh"),
        "a fault of the platform shows in every team",
    ),
    Inhibition(
        ("AirflowTeamDagFailureRateHigh",),
        ("AirflowDagConsecutiveFailures", "AirflowCriticalDagFailed"),
        "what the team is told already",
        equal=("cluster", "team"),
    ),
    Inhibition(
        ("AirflowCriticalDagKeepsFailing",),
        ("AirflowCriticalDagFailed",),
        "the same DAGs, failing for longer",
        equal=("cluster", "team"),
    ),
    Inhibition(
        ("AirflowTeamDagFailureRateHigh",),
        ("AirflowRetryStorm", "AirflowOperatorFailuresUnusual"),
        "one team's failures are retried, and come from few operators",
    ),
    Inhibition(
        (
            "AirflowSchedulerLockHeld",
            "AirflowSchedulerHeartbeatLost",
            "AirflowSchedulerProcessDown",
            "AirflowSchedulerStalled",
            "AirflowSchedulerLagHigh",
            "AirflowScheduleDelayCrit",
            "AirflowBrokerDown",
            "AirflowApiServerDown",
            "AirflowWorkersBelowMinimum",
            "AirflowDependencyDown",
            "AirflowDagsVanished",
            "AirflowCriticalDataFreshnessBreach",
            "AirflowDagFailureRateHigh",
            "AirflowTeamDagFailureRateHigh",
        ),
        _BURNING,
        "what spends the budget is told already",
    ),
    Inhibition(
        ("AirflowErrorBudgetBurnFast",),
        ("AirflowErrorBudgetBurnSlow", "AirflowErrorBudgetExhausted"),
        "the same budget, spent faster",
        equal=("cluster", "slo"),
    ),
    Inhibition(
        ("AirflowErrorBudgetBurnSlow",),
        ("AirflowErrorBudgetExhausted",),
        "the same budget, still being spent",
        equal=("cluster", "slo"),
    ),
    Inhibition(
        ("AirflowBrokerEvicting",),
        ("AirflowBrokerMemoryHigh", "AirflowQueueDrift"),
        "keys are thrown away for want of memory, and messages with them",
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


#: Alerts that mute others.
CAUSES = frozenset(cause for rule in INHIBITIONS for cause in rule.causes)


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
            kept.append(Inhibition(causes, symptoms, rule.because, rule.equal))
    return tuple(kept)
