"""Which of many failed tasks are looked at first: to read why one failed may cost a log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import zip_longest

from airwarden.core.platform import TaskInstance

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def of_every_dag(tasks: Iterable[TaskInstance]) -> list[TaskInstance]:
    """Return them so that the newest of each DAG come first, then the next of each, and so on.

    A DAG that fails hundreds of its own tasks hides no other's then.
    """
    by_dag: dict[str, list[TaskInstance]] = defaultdict(list)
    for task in sorted(tasks, key=lambda one: one.end_date or _LONG_AGO, reverse=True):
        by_dag[task.key.dag_id].append(task)
    return [task for turn in zip_longest(*by_dag.values()) for task in turn if task is not None]
