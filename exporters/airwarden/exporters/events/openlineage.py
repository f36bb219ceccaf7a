"""OpenLineage run events: bytes and quality that Spark, dbt, Great Expectations and Airflow report.

Pure: an event in, readings out. Only what ends a run counts, because its statistics are those of the
whole run. Facets: `inputStatistics` and `outputStatistics` (size in bytes), `dataQualityAssertions`
(checks), `dataQualityMetrics` (nulls by column). Everything else of an event is neither read nor kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from airwarden.core.reported import Reading
from airwarden.exporters.events.kinds import Name, checks

KIND = "openlineage"
#: Datasets on each side, and assertions of one, of which an event may tell.
MAX_DATASETS = 200
MAX_ASSERTIONS = 2_000
_LONGEST = 128


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Statistics(_Part):
    size: int | None = Field(default=None, ge=0, le=10**18)


class _Assertion(_Part):
    success: bool


class _Assertions(_Part):
    assertions: tuple[_Assertion, ...] = Field(default=(), max_length=MAX_ASSERTIONS)


class _Column(_Part):
    nullCount: int | None = Field(default=None, ge=0)  # noqa: N815 - OpenLineage's name


class _Metrics(_Part):
    rowCount: int | None = Field(default=None, ge=0)  # noqa: N815
    columnMetrics: dict[str, _Column] = Field(default_factory=dict, max_length=10_000)  # noqa: N815


class _Facets(_Part):
    inputStatistics: _Statistics | None = None  # noqa: N815
    outputStatistics: _Statistics | None = None  # noqa: N815
    dataQualityAssertions: _Assertions | None = None  # noqa: N815
    dataQualityMetrics: _Metrics | None = None  # noqa: N815


class _Dataset(_Part):
    namespace: str = ""
    name: str = Field(min_length=1, max_length=1_000)
    facets: _Facets = _Facets()
    inputFacets: _Facets = _Facets()  # noqa: N815
    outputFacets: _Facets = _Facets()  # noqa: N815

    def every(self) -> tuple[_Facets, ...]:
        """Return its facets; where one stands differs between versions of the specification."""
        return (self.inputFacets, self.outputFacets, self.facets)

    @property
    def label(self) -> str:
        """Its name as a label's value."""
        return _label(self.name)


class _Tag(_Part):
    key: str = ""
    value: str = ""


class _Tags(_Part):
    tags: tuple[_Tag, ...] = Field(default=(), max_length=1_000)


class _JobFacets(_Part):
    tags: _Tags = _Tags()


class _Job(_Part):
    namespace: str = ""
    name: str = Field(min_length=1, max_length=1_000)
    facets: _JobFacets = _JobFacets()


class _Run(_Part):
    runId: Name  # noqa: N815


class RunEvent(_Part):
    """What of a run event is read."""

    eventType: Literal["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"] = "OTHER"  # noqa: N815
    eventTime: AwareDatetime  # noqa: N815
    run: _Run
    job: _Job
    inputs: tuple[_Dataset, ...] = Field(default=(), max_length=MAX_DATASETS)
    outputs: tuple[_Dataset, ...] = Field(default=(), max_length=MAX_DATASETS)

    @field_validator("inputs", "outputs", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return () if value is None else value

    @property
    def id(self) -> str:
        """What names the event: OpenLineage gives no name of its own."""
        return f"{KIND}:{self.run.runId}:{self.eventType}:{self.eventTime.timestamp():.6f}"

    @property
    def ended(self) -> bool:
        """Whether its statistics are those of the whole run."""
        return self.eventType in ("COMPLETE", "FAIL", "ABORT")

    @property
    def dag_id(self) -> str:
        """The DAG, where Airflow sent it: its jobs are called DAG or DAG.TASK."""
        return self.job.name.partition(".")[0]

    @property
    def tags(self) -> tuple[str, ...]:
        """The job's tags as Airflow writes them; `team` with value `a` is the tag `team:a`."""
        return tuple(
            tag.key if tag.key == tag.value or not tag.value else f"{tag.key}:{tag.value}"
            for tag in self.job.facets.tags.tags
        )

    def readings(self, at: float, team: Callable[[str, Sequence[str]], str]) -> tuple[Reading, ...]:
        """Return what it means.

        Args:
            at: When it happened, as Unix time.
            team: The team of a DAG, from its id and tags.
        """
        if not self.ended:
            return ()
        owner = _label(team(self.dag_id, self.tags))
        found = [
            _reading("pipeline_bytes_total", (owner, direction), size, at)
            for direction, datasets in (("read", self.inputs), ("write", self.outputs))
            if (size := sum(_size(dataset) for dataset in datasets))
        ]
        for dataset in (*self.inputs, *self.outputs):
            found += _quality(dataset, at)
        return tuple(found)


def _label(text: str) -> str:
    """Make a label's value of what others call something: printable, and not too long."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in text).strip() or "?"
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


def _size(dataset: _Dataset) -> int:
    """Return the bytes read or written, from whichever facet tells."""
    return next(
        (
            statistics.size
            for facets in dataset.every()
            for statistics in (facets.inputStatistics, facets.outputStatistics)
            if statistics is not None and statistics.size is not None
        ),
        0,
    )


def _quality(dataset: _Dataset, at: float) -> Iterable[Reading]:
    for facets in dataset.every():
        if facets.dataQualityAssertions and facets.dataQualityAssertions.assertions:
            results = [one.success for one in facets.dataQualityAssertions.assertions]
            passed = sum(results)
            yield from checks(_reading, dataset.label, passed, len(results) - passed, at)
            share = passed / len(results)
            yield _reading("quality_score_ratio", (dataset.label, "assertions"), share, at)
        metrics = facets.dataQualityMetrics
        if metrics is not None and metrics.rowCount:
            nulls = [column.nullCount for column in metrics.columnMetrics.values()]
            known = [min(count, metrics.rowCount) for count in nulls if count is not None]
            if known:
                share = 1 - sum(known) / (metrics.rowCount * len(known))
                yield _reading("quality_score_ratio", (dataset.label, "completeness"), share, at)


def _reading(name: str, labels: tuple[str, ...], value: float, at: float, /) -> Reading:
    return Reading(f"airwarden_{name}", labels, value, at, KIND)
