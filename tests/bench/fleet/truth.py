"""What happened, counted by brute force: whole tables, no regard to cost.

Attempts of tasks are all in Airflow's tables, since each has an id of its own. Of a run only the last end
is there, so a trigger writes down each end.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from support.postgres import Database

_SQL = Path(__file__).parent / "sql"


class Started(NamedTuple):
    """Attempts that began to run and are alike.

    Attributes:
        queued, scheduled: Whether it is still known how long they were that.
    """

    queue: str
    pool: str
    queued: bool
    scheduled: bool
    number: int


class Truth:
    """Counts what ends in a database from now on.

    Args:
        database: A filled one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.execute((_SQL / "truth_begin.sql").read_text())

    def runs(self) -> Counter[tuple[str, str]]:
        """Return how many runs ended, by state and `dag_id`."""
        rows = self._database.execute(
            "SELECT state, dag_id, count(*) FROM truth.run_end GROUP BY 1, 2"
        )
        return Counter({(state, dag_id): number for state, dag_id, number in rows})

    def attempts(self) -> Counter[tuple[str, str, str]]:
        """Return how many attempts ended, by outcome, queue and `dag_id`."""
        rows = self._database.execute((_SQL / "truth_ended.sql").read_text())
        return Counter({(state, queue, dag_id): number for state, queue, dag_id, number in rows})

    def started(self) -> list[Started]:
        """Return the attempts that began to run."""
        rows = self._database.execute((_SQL / "truth_started.sql").read_text())
        return [Started(*row) for row in rows]

    def run_ends(self) -> list[tuple[str, datetime]]:
        """Return the `dag_id` and moment of each end, the first one first."""
        return [
            (str(dag_id), at)
            for dag_id, at in self._database.execute(
                "SELECT dag_id, at FROM truth.run_end ORDER BY at"
            )
        ]
