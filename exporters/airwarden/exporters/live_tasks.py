"""The unfinished task instances, read once for all collectors that tell something of them.

On a large platform they are thousands of rows, scattered over a table of millions: one read of them costs
more than all that is computed from it. What is read is kept for a moment; when it cannot be read, each
collector that asks fails by itself, and tries again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airwarden.core.clock import Clock
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Pool
from airwarden.core.ports import MetadataDatabase
from airwarden.core.work import left

#: Seconds for which one read serves everybody; the fastest collectors come every five, each at its own moment.
FRESH = 4.5
#: Seconds to wait for the read of another collector: its two queries, each held up as long as one may be.
PATIENCE = 12.0
#: Airflow's `scheduler.task_queued_timeout`, after which it takes a queued task back itself.
QUEUED_LONG = 600.0
#: Airflow's `scheduler.task_instance_heartbeat_timeout`.
SILENT = 300.0
#: Seconds for which deferred work may be without a triggerer: time enough for one to be replaced.
UNATTENDED = 300.0


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that are alike. Ages are seconds.

    Attributes:
        slots: Of its pool that each takes.
        paused: Whether their DAG is; asked for scheduled ones alone. None: there is no such DAG.
        oldest: How long the first of them has been in this state.
        silence: Since the oldest heartbeat; None where none runs.
        last_queued: Unix time; of running and queued ones.
        queued_long, silent, unattended: How many exceed their limit.
        folded: Queues that are one here, because there are too many to be told apart.
    """

    state: str
    queue: str
    pool: str
    slots: int
    paused: bool | None
    tasks: int
    oldest: float | None = None
    silence: float | None = None
    last_queued: float | None = None
    queued_long: int = 0
    silent: int = 0
    unattended: int = 0
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Live:
    """One read.

    Attributes:
        now: The database's clock, Unix time.
        pools: With what is in them, by name.
        groups: The tasks.
    """

    now: float
    pools: Mapping[str, Pool]
    groups: Sequence[Group]


class LiveTasks:
    """Reads the unfinished tasks; safe for threads.

    Args:
        database: Where they are.
        clock: Time.
        fresh: Seconds for which one read serves everybody.
        patience: Seconds to wait for the read of another collector.
    """

    def __init__(
        self,
        database: MetadataDatabase,
        clock: Clock,
        *,
        fresh: float = FRESH,
        patience: float = PATIENCE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._fresh = fresh
        self._patience = patience
        self._lock = threading.Lock()
        self._read: tuple[float, Live] | None = None

    def look(self) -> Live:
        """Return them as of now, or of a moment ago.

        Raises:
            UnavailableError: Another collector has been reading for long.
            AirwardenError: They cannot be read.
        """
        if not self._lock.acquire(timeout=left(self._patience)):
            raise UnavailableError("another collector's read of unfinished tasks takes long")
        try:
            now = self._clock.elapsed()
            if self._read is None or now - self._read[0] >= self._fresh:
                self._read = (now, self._look())
            return self._read[1]
        finally:
            self._lock.release()

    def _look(self) -> Live:
        groups = [
            _group(row)
            for row in self._database.rows(
                "live_tasks", queued=QUEUED_LONG, silent=SILENT, unattended=UNATTENDED
            )
        ]
        rows = self._database.rows("pools")
        return Live(
            now=float(rows[0]["now"]) if rows else 0.0,
            pools={row["name"]: _pool(row, groups) for row in rows},
            groups=groups,
        )


def _group(row: Mapping[str, Any]) -> Group:
    values = {name: row[name] for name in Group.__slots__ if name in row}
    return Group(slots=row["pool_slots"], **values)


def _pool(row: Mapping[str, Any], groups: Sequence[Group]) -> Pool:
    """Count as Airflow's scheduler does (Pool.slots_stats): by the slots that a task takes."""
    used = dict.fromkeys(("running", "queued", "scheduled", "deferred"), 0)
    for group in groups:
        if group.pool == row["name"] and group.state in used:
            used[group.state] += group.tasks * group.slots
    taken = used["running"] + used["queued"] + (used["deferred"] if row["include_deferred"] else 0)
    endless = row["slots"] < 0
    return Pool(
        name=row["name"],
        slots=row["slots"],
        include_deferred=row["include_deferred"],
        open=-1 if endless else row["slots"] - taken,
        **used,
    )
