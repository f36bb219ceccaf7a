"""Single DAGs, as few as matter: the critical ones, and the worst of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.endings import Endings
from airwarden.exporters.families import OVERFLOW, Family, Labels, gauge
from airwarden.exporters.follow_runs import OPEN_STATES, Run
from airwarden.exporters.labels import DagLabels, DagRegistry

#: Critical DAGs that are told apart: the first ones by name.
MAX_CRITICAL = 500
#: Other DAGs that are told apart, by failures in a row.
MAX_WORST = 50
#: Failures before the exporter's start that are counted.
MAX_EARLIER = 10
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class DagHealthCollector:
    """Judges by the ends of runs that another collector follows, and by what came before, read once.

    Args:
        database: Where what came before is read.
        registry: The DAGs.
        endings: Of runs, since the start.
    """

    name = "dag_health"
    interval = 30.0
    timeout = 15.0

    def __init__(self, database: MetadataDatabase, registry: DagRegistry, endings: Endings) -> None:
        self._database = database
        self._registry = registry
        self._endings = endings
        self._seeded: set[str] = set()
        self._failures: dict[str, int] = {}
        self._succeeded: dict[str, float] = {}

    def collect(self) -> Sequence[Family]:
        """Return failures in a row, and last successes of critical DAGs."""
        dags = self._registry.fleet()
        fleet, critical = dags.work, dags.critical[:MAX_CRITICAL]
        new = [dag for dag in critical if dag not in self._seeded]
        self._seed(new)
        # What was handed on before these were read is in what was read.
        self._take([run for run in self._endings.take() if run.dag_id not in new])
        self._forget(fleet)
        return [
            gauge("airwarden_dag_consecutive_failures", self._in_a_row(fleet, set(critical))),
            gauge(
                "airwarden_dag_last_success_timestamp_seconds",
                {
                    (dag, fleet[dag].tier, fleet[dag].team): round(self._succeeded[dag], 3)
                    for dag in critical
                    if dag in self._succeeded
                },
            ),
        ]

    def _seed(self, dags: list[str]) -> None:
        """Take up what came before, once for each critical DAG."""
        if not dags:
            return
        for row in self._database.rows("recent_outcomes", dags=dags):
            self._failures.pop(row["dag_id"], None)
            failed = 0
            ended = [state for state in row["states"] if state not in OPEN_STATES]
            while failed < min(len(ended), MAX_EARLIER) and ended[failed] == "failed":
                failed += 1
            if failed:
                self._failures[row["dag_id"]] = failed
            if row["succeeded"] is not None:
                self._succeeded[row["dag_id"]] = row["succeeded"]
        self._seeded |= set(dags)

    def _take(self, finished: Sequence[Run]) -> None:
        for run in sorted(finished, key=lambda run: run.end_date or _LONG_AGO):
            if run.state == "failed":
                self._failures[run.dag_id] = self._failures.get(run.dag_id, 0) + 1
            elif run.state == "success":
                self._failures.pop(run.dag_id, None)
                if run.end_date is not None:
                    self._succeeded[run.dag_id] = run.end_date.timestamp()

    def _forget(self, fleet: Mapping[str, DagLabels]) -> None:
        """Drop DAGs that are gone; a registry that knows no DAG at all is not believed."""
        if fleet:
            self._failures = {dag: n for dag, n in self._failures.items() if dag in fleet}
            self._succeeded = {dag: at for dag, at in self._succeeded.items() if dag in fleet}
            self._seeded &= fleet.keys()

    def _in_a_row(self, fleet: Mapping[str, DagLabels], critical: set[str]) -> dict[Labels, float]:
        others = sorted(
            (dag for dag in self._failures if dag in fleet and dag not in critical),
            key=lambda dag: (-self._failures[dag], dag),
        )
        shown: dict[Labels, float] = {}
        for dag in [*sorted(critical & self._failures.keys()), *others[:MAX_WORST]]:
            shown[dag, fleet[dag].tier, fleet[dag].team] = self._failures[dag]
        if rest := others[MAX_WORST:]:
            total = sum(self._failures[dag] for dag in rest)
            shown[OVERFLOW, OVERFLOW, OVERFLOW] = total
        return shown
