"""One DAG, read live from its Airflow: also one that has no series of its own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from airwarden.core.errors import AirwardenError, NotFoundError
from airwarden.core.platform import Dag, DagRun, TaskInstance
from airwarden.core.ports import Airflow
from airwarden.remediation.console import reads
from airwarden.remediation.console.desk import Desk, Pages
from airwarden.remediation.console.web import BASE, Answer, Asked, see

#: Seconds for which a reading counts as new, and that one may take; readings that are kept.
_FRESH, _DEADLINE, _KEPT = 10.0, 10.0, 64
_RUNS, _TASKS = 30, 100
#: The task instances that somebody asks about.
_STATES = ("running", "queued", "scheduled", "failed", "up_for_retry", "deferred", "restarting")


@dataclass(frozen=True, slots=True)
class Live:
    """What Airflow says of a DAG.

    Attributes:
        runs: Newest first.
        tasks: Those under way and those that failed.
    """

    dag: Dag
    runs: Sequence[DagRun]
    tasks: Sequence[TaskInstance]
    at: datetime


class Dags(Pages):
    """The way to a DAG, and one."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._mutex = threading.Lock()
        self._read: OrderedDict[tuple[str, str], tuple[float, Live]] = OrderedDict()

    def choose(self, asked: Asked) -> Answer:
        """Answer `/dags`: the form, or the way to the DAG that was asked for."""
        dag_id, cluster = asked.text("dag", 250), asked.text("cluster", 128)
        known = sorted(self.desk.parts.worlds())
        if dag_id and known:
            where = cluster if cluster in known else known[0]
            return see(f"{BASE}/dags/{quote(where, safe='')}/{quote(dag_id, safe='')}")
        with self.desk.parts.journal.read() as tx:
            firing, opened = reads.firing(tx), reads.open_incidents(tx)
            named = [(one.alert.cluster, one.alert.labels) for one in firing.shown]
            named += [(one.cluster, one.labels) for one in opened]
            spoken_of = dict.fromkeys(
                (where, labels["dag_id"]) for where, labels in named if labels.get("dag_id")
            )
            return self.page(asked, "dags.html", tx, title="DAGs", spoken_of=list(spoken_of)[:50])

    def show(self, asked: Asked) -> Answer:
        """Answer `/dags/CLUSTER/DAG`."""
        cluster, dag_id = asked.place["cluster"], asked.place["dag"]
        world = self.desk.parts.worlds().get(cluster)
        if world is None:
            raise NotFoundError(f"there is no cluster {cluster[:128]!r}")
        live, why = None, ""
        try:
            if world.airflow is None:
                why = "No Airflow is configured for this cluster."
            else:
                live = self._live(cluster, dag_id, world.airflow, world.clock.now())
        except NotFoundError:
            why = f"Airflow knows no DAG {dag_id!r}."
        except AirwardenError as error:
            why = f"Airflow cannot be read: {error}."
        address = self.desk.terms().airflow.get(cluster, "").rstrip("/")
        with self.desk.parts.journal.read() as tx:
            firing = reads.firing(tx, cluster)
            return self.page(
                asked,
                "dag.html",
                tx,
                title=dag_id,
                cluster=cluster,
                dag_id=dag_id,
                live=live,
                why=why,
                alerts=[one for one in firing.shown if one.alert.labels.get("dag_id") == dag_id],
                incidents=reads.about_dag(tx, cluster, dag_id),
                there=f"{address}/dags/{quote(dag_id, safe='')}" if address else "",
            )

    def _live(self, cluster: str, dag_id: str, airflow: Airflow, now: datetime) -> Live:
        with self._mutex:
            at, kept = self._read.get((cluster, dag_id), (float("-inf"), None))
        if kept is not None and self.desk.elapsed() - at < _FRESH:
            return kept

        def read() -> Live:
            return Live(
                airflow.dag(dag_id),
                airflow.dag_runs(dag_id, limit=_RUNS),
                airflow.task_instances(dag_ids=[dag_id], states=_STATES, limit=_TASKS),
                now,
            )

        found = self.desk.parts.calls.run(read, deadline=_DEADLINE, key=("console", dag_id))
        with self._mutex:
            self._read[cluster, dag_id] = (self.desk.elapsed(), found)
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return found
