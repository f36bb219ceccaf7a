"""The kinds of events, each a model that is validated and that says what it means as readings.

Pure: an event in, readings out. `docs/reference/events.md` is made from these models.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Protocol, TypeAlias, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from airwarden.core.reported import Reading

#: Seconds by which a sender's clock may be ahead.
AHEAD = 300.0
#: How old an event may be: what is older belongs into a report.
OLDEST = timedelta(days=7)


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("expected printable text without spaces at its ends")
    return text


#: What becomes a label's value.
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
Dollars: TypeAlias = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**18)]


class Maker(Protocol):
    """Makes a reading of a metric (its name without `airwarden_`)."""

    def __call__(self, name: str, labels: tuple[str, ...], value: float, at: float, /) -> Reading:
        """Return it."""
        ...


def training(make: Maker, model: str, outcome: str, at: float) -> tuple[Reading, ...]:
    """Return a training's readings; `outcome` is success or failed."""
    counted = make("ml_training_runs_total", (outcome, model), 1, at)
    if outcome != "success":
        return (counted,)
    return counted, make("ml_model_last_success_timestamp_seconds", (model,), round(at, 3), at)


def delivery(make: Maker, group: str, delay: float, at: float) -> tuple[Reading, ...]:
    """Return a delivery's readings; `delay` in seconds, 0 or less is on time."""
    labels = ("true" if delay <= 0 else "false", group)
    return (
        make("report_deliveries_total", labels, 1, at),
        make("report_delivery_delay_seconds", labels, max(0.0, delay), at),
    )


def checks(make: Maker, dataset: str, passed: int, failed: int, at: float) -> tuple[Reading, ...]:
    """Return the readings of checks; both outcomes are there from the first on."""
    return (
        make("quality_checks_total", (dataset, "passed"), passed, at),
        make("quality_checks_total", (dataset, "failed"), failed, at),
    )


class Event(BaseModel):
    """What every event carries."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: Name
    """Names the event for ever: one that comes again is not counted again. A UUID, or what makes it one
    of its kind (`checkout-2026-11-26T10:00Z`)."""

    time: AwareDatetime | None = None
    """When it happened, with its zone; now by default. Not more than 5 minutes ahead nor 7 days ago."""

    cluster: Name | None = None
    """Which platform of `airwarden.yaml`; may be left out where there is one."""

    source: Name = "events"
    """Who says so, for `airwarden_reported_timestamp_seconds`."""

    valid_for: float | None = Field(default=None, gt=0, le=90 * 86400)
    """Seconds for which a value (not an amount) is shown; `business.keep` by default."""

    def readings(self, at: float) -> tuple[Reading, ...]:
        """Return what it means.

        Args:
            at: When it happened, as Unix time.
        """
        raise NotImplementedError

    def _reading(self, name: str, labels: tuple[str, ...], value: float, at: float) -> Reading:
        source = "events" if self.source == "events" else f"events/{self.source}"
        return Reading(f"airwarden_{name}", labels, value, at, source, self.valid_for or 0.0)


class RevenueAtRisk(Event):
    """Revenue that rests on what is late or failed, now; 0 when nothing is."""

    kind: Literal["revenue_at_risk"]
    product: Name
    """What earns it."""
    dollars: Dollars
    """How much."""

    def readings(self, at: float) -> tuple[Reading, ...]:  # noqa: D102
        name = "business_revenue_at_risk_dollars"
        return (self._reading(name, (self.product,), self.dollars, at),)


class RevenueProcessed(Event):
    """Revenue that a pipeline has processed since the event before."""

    kind: Literal["revenue_processed"]
    product: Name
    """What earns it."""
    dollars: Dollars
    """How much more."""

    def readings(self, at: float) -> tuple[Reading, ...]:  # noqa: D102
        name = "business_revenue_processed_dollars_total"
        return (self._reading(name, (self.product,), self.dollars, at),)


class ModelTraining(Event):
    """A training of a model that ended."""

    kind: Literal["model_training"]
    model: Name
    """Which model."""
    outcome: Literal["success", "failed"]
    """How it ended."""

    def readings(self, at: float) -> tuple[Reading, ...]:  # noqa: D102
        return training(self._reading, self.model, self.outcome, at)


class ReportDelivery(Event):
    """A report that reached its readers."""

    kind: Literal["report_delivery"]
    report_group: Name
    """Which group of reports."""
    delay_seconds: float = Field(ge=-30 * 86400, le=30 * 86400, allow_inf_nan=False)
    """How long after it was due; 0 or less is on time."""

    def readings(self, at: float) -> tuple[Reading, ...]:  # noqa: D102
        return delivery(self._reading, self.report_group, self.delay_seconds, at)


class UserSatisfaction(Event):
    """What a survey says by now: its score of all answers that count, and how many are new."""

    kind: Literal["user_satisfaction"]
    team: Name
    """Whose users."""
    score: float = Field(ge=0, le=5, allow_inf_nan=False)
    """0 to 5."""
    responses: Count = 1
    """Answers since the event before."""

    def readings(self, at: float) -> tuple[Reading, ...]:  # noqa: D102
        return (
            self._reading("user_satisfaction_score", (self.team,), self.score, at),
            self._reading("user_satisfaction_responses_total", (self.team,), self.responses, at),
        )


class QualityScore(Event):
    """A dataset's quality in one dimension."""

    kind: Literal["quality_score"]
    dataset: Name
    """Which dataset."""
    dimension: Name
    """`completeness`, `validity`, `freshness`, …"""
    score: float = Field(ge=0, le=1, allow_inf_nan=False)
    """0 to 1."""

    def readings(self, at: float) -> tuple[Reading, ...]:  # noqa: D102
        labels = (self.dataset, self.dimension)
        return (self._reading("quality_score_ratio", labels, self.score, at),)


class QualityChecks(Event):
    """Checks of a dataset that were run."""

    kind: Literal["quality_checks"]
    dataset: Name
    """Which dataset."""
    passed: Count = 0
    """How many passed."""
    failed: Count = 0
    """How many failed."""

    def readings(self, at: float) -> tuple[Reading, ...]:  # noqa: D102
        return checks(self._reading, self.dataset, self.passed, self.failed, at)


class BytesProcessed(Event):
    """Bytes that a pipeline has read or written since the event before."""

    kind: Literal["bytes_processed"]
    team: Name
    """Whose pipeline."""
    direction: Literal["read", "write"]
    """Which way."""
    bytes: Count
    """How many more."""

    def readings(self, at: float) -> tuple[Reading, ...]:  # noqa: D102
        labels = (self.team, self.direction)
        return (self._reading("pipeline_bytes_total", labels, self.bytes, at),)


class Cost(Event):
    """What a team's pipelines have cost since the event before, or what a terabyte costs by now."""

    kind: Literal["cost"]
    team: Name
    """Whose pipelines."""
    dollars: Dollars | None = None
    """How much more."""
    dollars_per_terabyte: Dollars | None = None
    """The price of a terabyte, where you know it; else it is derived from cost and bytes."""

    def readings(self, at: float) -> tuple[Reading, ...]:  # noqa: D102
        found = []
        if self.dollars is not None:
            name = "pipeline_cost_dollars_total"
            found.append(self._reading(name, (self.team,), self.dollars, at))
        if self.dollars_per_terabyte is not None:
            name = "pipeline_cost_per_terabyte_dollars"
            found.append(self._reading(name, (self.team,), self.dollars_per_terabyte, at))
        return tuple(found)


#: One event that is typed; OpenLineage's are another thing, see `openlineage.py`.
Typed: TypeAlias = (
    RevenueAtRisk
    | RevenueProcessed
    | ModelTraining
    | ReportDelivery
    | UserSatisfaction
    | QualityScore
    | QualityChecks
    | BytesProcessed
    | Cost
)
#: In the order of the reference page.
MODELS: tuple[type[Event], ...] = (
    RevenueAtRisk, RevenueProcessed, ModelTraining, ReportDelivery, UserSatisfaction, QualityScore,
    QualityChecks, BytesProcessed, Cost,
)  # fmt: skip
ADAPTER: TypeAdapter[Typed] = TypeAdapter(Annotated[Typed, Field(discriminator="kind")])
KINDS: tuple[str, ...] = tuple(
    get_args(model.model_fields["kind"].annotation)[0] for model in MODELS
)
