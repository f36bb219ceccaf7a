"""Why a task was killed, for a remedy: the exporter's own table and log reader, asked for one attempt."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from airwarden.cli.exporting import failure_options
from airwarden.core.errors import NotFoundError
from airwarden.core.failures import Evidence, Verdict
from airwarden.core.platform import TaskInstance
from airwarden.core.ports import Airflow, MetadataDatabase
from airwarden.exporters.failures.classify import Classifier
from airwarden.exporters.failures.logs import evidence_of
from airwarden.exporters.failures.rules import shipped
from airwarden.exporters.failures.tails import KEEP

if TYPE_CHECKING:
    from airwarden.cli.composition import ClusterPorts
    from airwarden.core.settings import Settings

#: Bytes of one log that are read at most; the end of a longer one is not seen.
_MOST = 4 * 1024 * 1024
#: As many as one plan of `tasks.retry` looks at.
_REMEMBERED = 5000


class AttemptCauses:
    """Reads the cause of an attempt from Airflow's audit log, and where that is silent from its log.

    Args:
        airflow: Has the logs.
        database: Has the audit log; None where it cannot be read.
        classifier: The table of causes.
    """

    def __init__(
        self, airflow: Airflow, database: MetadataDatabase | None, classifier: Classifier
    ) -> None:
        self._airflow, self._database, self._classifier = airflow, database, classifier
        self._known: OrderedDict[tuple[str, int], Verdict] = OrderedDict()

    def of(self, task: TaskInstance) -> Verdict:
        """Return the one cause of a task instance's last attempt; asked once for each attempt.

        Raises:
            UnavailableError: The audit log or the task's log cannot be read.
        """
        if (known := self.known(task)) is not None:
            return known
        events = self._events(task)
        verdict = self._classifier.verdict(Evidence(), operator=task.operator, events=events)
        if not verdict.event:
            verdict = self._classifier.verdict(
                self._log(task), operator=task.operator, events=events
            )
        self._known[task.id, task.try_number] = verdict
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return verdict

    def known(self, task: TaskInstance) -> Verdict | None:
        """Return the cause if it was read before."""
        return self._known.get((task.id, task.try_number))

    def _events(self, task: TaskInstance) -> list[str]:
        if self._database is None:
            return []
        rows = self._database.rows(
            "attempt_events",
            dag_id=task.key.dag_id,
            run_id=task.key.run_id,
            task_id=task.key.task_id,
            map_index=task.key.map_index,
            try_number=task.try_number,
        )
        return [str(row["event"]) for row in rows]

    def _log(self, task: TaskInstance) -> Evidence:
        if not task.hostname:
            # No worker ever had it: there is no log.
            return Evidence()
        try:
            tail = self._airflow.log_tail(task.key, task.try_number, most=_MOST, keep=KEEP)
        except NotFoundError:
            return Evidence()
        return evidence_of(tail.text) if tail.whole else Evidence()


def causes(settings: Settings, ports: ClusterPorts) -> AttemptCauses:
    """Return what tells why a cluster's tasks failed, with the site's own rules before the shipped."""
    return AttemptCauses(
        ports.airflow, ports.database, Classifier(failure_options(settings).rules, shipped())
    )
