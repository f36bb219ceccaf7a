"""What DAGs are worth, by their tags: `model:NAME`, `report:GROUP` with `due:DURATION`, and
`value:PRODUCT=DOLLARS`.

Follows runs for itself, and only while there are such DAGs. What ended before the exporter's start is not
counted; whether a DAG's latest run failed, and when a model was last trained well, is taken up from then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from airwarden.core.clock import Clock
from airwarden.core.ports import MetadataDatabase
from airwarden.core.reported import Reading
from airwarden.exporters.events.kinds import delivery, training
from airwarden.exporters.families import Family
from airwarden.exporters.follow_runs import OPEN_STATES, Run
from airwarden.exporters.labels import DagLabels, DagRegistry
from airwarden.exporters.reported import ReportedValues
from airwarden.exporters.run_feed import RunFeed
from airwarden.exporters.tag_durations import seconds_of

SOURCE = "tags"
#: Seconds after which a report is due, unless a tag or the operator says otherwise.
REPORT_DUE = 3600.0
_AT_RISK = "airwarden_business_revenue_at_risk_dollars"
_PROCESSED = "airwarden_business_revenue_processed_dollars_total"
_ENDED = ("success", "failed")


class TaggedDagsCollector:
    """Turns what runs of tagged DAGs did into readings; `reported` shows them.

    Args:
        database: Airflow's.
        registry: The tags.
        values: Where the readings are kept.
        clock: Time.
        due: Seconds after which a report is due.
    """

    name = "tagged_dags"
    interval = 15.0
    timeout = 15.0

    def __init__(
        self,
        database: MetadataDatabase,
        registry: DagRegistry,
        values: ReportedValues,
        clock: Clock,
        due: float = REPORT_DUE,
    ) -> None:
        self._database = database
        self._registry = registry
        self._values = values
        self._clock = clock
        self._due = due
        self._runs: RunFeed | None = None
        #: DAGs whose past was taken up → whether their latest run failed.
        self._failed: dict[str, bool] = {}

    def collect(self) -> Sequence[Family]:
        """Read; return nothing, since `reported` shows it."""
        tagged = self._registry.fleet().with_purpose
        if not tagged:
            self._runs = None
            self._failed.clear()
            self._values.state(_AT_RISK, SOURCE, [])
            return []
        if self._runs is None:
            feed = RunFeed(self._database, self._clock)
            feed.begin()
            self._runs = feed
        self._seed(tagged)
        reading = self._runs.read()
        finished = self._runs.take(reading).finished
        self._runs.reopened = []  # for whoever follows their tasks
        found: list[Reading] = []
        for run in finished:
            if run.dag_id in tagged and run.state in _ENDED:
                self._failed[run.dag_id] = run.state == "failed"
                found += self._meaning(run, tagged[run.dag_id])
        self._values.take(found)
        self._values.state(_AT_RISK, SOURCE, self._at_risk(tagged, self._runs.open.values()))
        return []

    def _seed(self, tagged: Mapping[str, DagLabels]) -> None:
        """Take up what came before, once for each DAG."""
        self._failed = {id_: failed for id_, failed in self._failed.items() if id_ in tagged}
        new = sorted(tagged.keys() - self._failed.keys())
        if not new:
            return
        found: list[Reading] = []
        rows = {row["dag_id"]: row for row in self._database.rows("recent_outcomes", dags=new)}
        for dag_id in new:
            row = rows.get(dag_id, {})
            ended = [state for state in row.get("states", ()) if state not in OPEN_STATES]
            self._failed[dag_id] = bool(ended) and ended[0] == "failed"
            at = row.get("succeeded")
            if at is not None and tagged[dag_id].model:
                (_, trained) = training(_reading, tagged[dag_id].model, "success", at)
                found.append(trained)
        self._values.take(found)

    def _meaning(self, run: Run, dag: DagLabels) -> list[Reading]:
        """Return what the end of one run means."""
        at = (run.end_date or self._clock.now()).timestamp()
        found: list[Reading] = []
        if dag.model:
            found += training(_reading, dag.model, run.state, at)
        if run.state != "success":
            return found
        # A backfill makes up for the past: what it delivers was not due at its run's date.
        if dag.report and run.run_type != "backfill":
            found += delivery(_reading, dag.report, at - self._deadline(run, dag).timestamp(), at)
        if (worth := worth_of(dag.value)) is not None:
            product, dollars = worth
            found.append(Reading(_PROCESSED, (product,), dollars, at, SOURCE))
        return found

    def _deadline(self, run: Run, dag: DagLabels) -> datetime:
        return run.run_after + timedelta(seconds=seconds_of(dag.due) or self._due)

    def _at_risk(self, tagged: Mapping[str, DagLabels], open_now: Iterable[Run]) -> list[Reading]:
        """Return what rests on DAGs whose latest run failed, or whose open run is past its due time."""
        now = self._clock.now()
        late = {
            run.dag_id
            for run in open_now
            if run.dag_id in tagged
            and (dag := tagged[run.dag_id]).due
            and now > self._deadline(run, dag)
        }
        sums: dict[str, float] = {}
        for dag_id, dag in tagged.items():
            worth = worth_of(dag.value)
            if worth is None or dag.paused:
                continue
            product, dollars = worth
            risk = dollars if self._failed[dag_id] or dag_id in late else 0.0
            sums[product] = sums.get(product, 0.0) + risk
        at = now.timestamp()
        return [Reading(_AT_RISK, (name,), dollars, at, SOURCE) for name, dollars in sums.items()]


def worth_of(text: str) -> tuple[str, float] | None:
    """Return product and dollars of a tag's `checkout=1500`, None for anything else."""
    product, _, amount = text.rpartition("=")
    try:
        dollars = float(amount)
    except ValueError:
        return None
    return (product, dollars) if product and 0 <= dollars < float("inf") else None


def _reading(name: str, labels: tuple[str, ...], value: float, at: float, /) -> Reading:
    return Reading(f"airwarden_{name}", labels, value, at, SOURCE)
