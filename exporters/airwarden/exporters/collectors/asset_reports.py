"""What tasks report with the assets they update: the key `airwarden` of an asset event's `extra`.

Followed by id, with a look back for what was committed late. What came before the exporter's start is not
counted; scores of the latest events are taken up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airwarden.core.ports import MetadataDatabase
from airwarden.core.reported import Reading
from airwarden.exporters.events.kinds import Count, Name, checks
from airwarden.exporters.families import Family
from airwarden.exporters.labels import UNSET, DagLabels, DagRegistry
from airwarden.exporters.reported import ReportedValues

_log = structlog.get_logger(__name__)
SOURCE = "assets"
KIND = "asset"
#: Ids below the highest one seen that are looked at again: a transaction may have committed late.
LOOK_BACK = 500
#: Rows of one look, as asset_reports.sql has it.
MAX_ROWS = 1_000


Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class AssetReport(BaseModel):
    """What the key `airwarden` of an asset event's `extra` may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: Count = 0
    bytes_read: Count = 0
    passed: Count = 0
    failed: Count = 0
    quality: dict[Name, Share] = Field(default_factory=dict, max_length=20)


class AssetReportsCollector:
    """Turns asset events into readings; `reported` shows them.

    Args:
        database: Airflow's.
        registry: The team of the DAG that updated an asset.
        values: Where the readings are kept.
    """

    name = "asset_reports"
    interval = 15.0
    timeout = 15.0

    def __init__(
        self, database: MetadataDatabase, registry: DagRegistry, values: ReportedValues
    ) -> None:
        self._database = database
        self._registry = registry
        self._values = values
        self._last: int | None = None
        self._seen: set[int] = set()

    def collect(self) -> Sequence[Family]:
        """Read; return nothing, since `reported` shows it."""
        latest = int(self._database.rows("latest_asset_event")[0]["latest"] or 0)
        began = self._last is None
        after = (latest if self._last is None else self._last) - LOOK_BACK
        rows = self._database.rows("asset_reports", after=after, until=latest)
        new = [row for row in rows if row["id"] not in self._seen]
        makers = self._registry.of({row["dag_id"] for row in new if row["dag_id"]})
        found: list[Reading] = []
        for row in new:
            said = self._said(row, makers)
            found += [one for one in said if not began or one.metric.endswith("_ratio")]
        # A look that found as many as it may goes on where it ended.
        self._last = latest if len(rows) < MAX_ROWS else int(rows[-1]["id"])
        self._seen = {row["id"] for row in rows if row["id"] > self._last - LOOK_BACK}
        self._values.take(found)
        return []

    def _said(self, row: Mapping[str, Any], makers: Mapping[str, DagLabels]) -> list[Reading]:
        try:
            report = AssetReport.model_validate(row["said"])
        except ValidationError as error:
            self._refuse(str(row["asset"]), error)
            return []
        self._values.count_event(KIND, "accepted")
        at = row["timestamp"].timestamp()
        dag = makers.get(row["dag_id"] or "")
        team = dag.team if dag is not None else UNSET
        asset = str(row["asset"])[:128]
        found = [
            _reading("pipeline_bytes_total", (team, direction), amount, at)
            for direction, amount in (("write", report.bytes), ("read", report.bytes_read))
            if amount
        ]
        if report.passed or report.failed:
            found += checks(_reading, asset, report.passed, report.failed, at)
        found += [
            _reading("quality_score_ratio", (asset, n), v, at) for n, v in report.quality.items()
        ]
        return found

    def _refuse(self, asset: str, error: ValidationError) -> None:
        first = error.errors(include_url=False)[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        _log.warning("asset event not understood", asset=asset, error=what)
        self._values.count_event(KIND, "refused")


def _reading(name: str, labels: tuple[str, ...], value: float, at: float, /) -> Reading:
    return Reading(f"airwarden_{name}", labels, value, at, SOURCE)
