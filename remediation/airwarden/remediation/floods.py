"""Whether one DAG takes what all others wait for: shared by a check and the actions that hold it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airwarden.core.ports import Airflow

_WAITING = ("scheduled", "queued")
#: Task instances that are counted at most; the share is of these.
_COUNTED = 2000


@dataclass(frozen=True, slots=True)
class Flood:
    """The DAG with the most waiting tasks.

    Attributes:
        dag_id: Empty where nothing waits.
        floods: It has more than the share of a number of tasks that matters.
        sentence: What was counted.
    """

    dag_id: str
    floods: bool
    sentence: str


def flooding_dag(airflow: Airflow, parameters: Mapping[str, Any]) -> Flood:
    """Return the DAG with the most waiting tasks; tasks of paused DAGs wait for nobody.

    Args:
        airflow: Where it is counted.
        parameters: `share` (0.4) and `least` (50), see `backfill.pause`.
    """
    share, least = float(parameters.get("share", 0.4)), int(parameters.get("least", 50))
    counted = waiting_by_dag(airflow)
    total = counted.total()
    if not total:
        return Flood("", False, "no task waits")
    dag_id, most = counted.most_common(1)[0]
    sentence = f"{dag_id} has {most} of {total} waiting tasks"
    # Where one DAG is all that there is, nobody waits behind it.
    others = total - most
    return Flood(dag_id, total >= least and most / total > share and others > 0, sentence)


def waiting_by_dag(airflow: Airflow) -> Counter[str]:
    """Return DAG → scheduled and queued tasks, up to two thousand in all; paused DAGs are left out."""
    waiting = airflow.task_instances(states=_WAITING, limit=_COUNTED)
    counted = Counter(task.key.dag_id for task in waiting)
    paused = {dag.dag_id for dag in airflow.dags() if dag.is_paused} if counted else set()
    for dag_id in paused:
        counted.pop(dag_id, None)
    return counted
