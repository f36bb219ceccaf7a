"""The event endpoint: who may post, what is refused, each event once, what it means."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeClock, FakeEvents
from airwarden.core.errors import UnavailableError
from airwarden.exporters.door import Door
from airwarden.exporters.events import EVENTS, LINEAGE, EventIntake, IntakeLimits, Place
from airwarden.exporters.events.intake import MAX_BATCH, Answer
from airwarden.exporters.events.kinds import KINDS, MODELS
from airwarden.exporters.reported import BIRTH, ReportedValues
from airwarden.exporters.sources import DagRule
from support.families import every, nonzero

TOKEN = "token-of-the-senders"
#: One valid event of each kind, without its id.
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "revenue_at_risk": {"product": "checkout", "dollars": 1250.5},
    "revenue_processed": {"product": "checkout", "dollars": 40},
    "model_training": {"model": "fraud", "outcome": "success"},
    "report_delivery": {"report_group": "board", "delay_seconds": 90},
    "user_satisfaction": {"team": "growth", "score": 4.2, "responses": 12},
    "quality_score": {"dataset": "orders", "dimension": "validity", "score": 0.97},
    "quality_checks": {"dataset": "orders", "passed": 9, "failed": 1},
    "bytes_processed": {"team": "growth", "direction": "write", "bytes": 10**12},
    "cost": {"team": "growth", "dollars": 12, "dollars_per_terabyte": 11.5},
}


USUAL = IntakeLimits()


class World:
    """An intake for one cluster or several."""

    def __init__(self, *clusters: str, limits: IntakeLimits = USUAL) -> None:
        self.clock = FakeClock()
        self.memory = FakeEvents()
        self.values = {name: ReportedValues(self.clock) for name in clusters or ("default",)}
        self.intake = self.restarted(limits)

    def restarted(self, limits: IntakeLimits = USUAL) -> EventIntake:
        intake = EventIntake(Door(lambda: TOKEN), self.memory, self.clock, limits)
        rules = (DagRule("etl_*", team="platform"),)
        intake.serve({name: Place(values, rules) for name, values in self.values.items()})
        return intake

    def post(self, *events: Mapping[str, Any], path: str = EVENTS, cluster: str = "") -> Answer:
        return self.intake.take(path, json.dumps(events).encode(), cluster=cluster)

    def shown(self, name: str, cluster: str = "default") -> dict[tuple[str, ...], float]:
        """Return a metric's samples once young series have grown up."""
        self.values[cluster].families()
        self.clock.advance(BIRTH)
        return every(self.values[cluster].families(), name)


def event(kind: str, id_: str = "e1", **changes: Any) -> dict[str, Any]:
    return {"id": id_, "kind": kind, **EXAMPLES[kind], **changes}


def test_every_kind_is_taken_and_gives_its_metrics() -> None:
    world = World()
    assert set(EXAMPLES) == set(KINDS)
    answer = world.post(*(event(kind, kind) for kind in KINDS))
    assert (answer.status, answer.said["accepted"]) == (200, len(KINDS))
    assert {
        name: world.shown(name)
        for name in (
            "business_revenue_at_risk_dollars",
            "business_revenue_processed_dollars_total",
            "ml_training_runs_total",
            "ml_model_last_success_timestamp_seconds",
            "report_deliveries_total",
            "report_delivery_delay_seconds",
            "user_satisfaction_score",
            "user_satisfaction_responses_total",
            "quality_score_ratio",
            "quality_checks_total",
            "pipeline_bytes_total",
            "pipeline_cost_dollars_total",
            "pipeline_cost_per_terabyte_dollars",
        )
    } == {
        "business_revenue_at_risk_dollars": {("checkout",): 1250.5},
        "business_revenue_processed_dollars_total": {("checkout",): 40},
        "ml_training_runs_total": {("success", "fraud"): 1},
        "ml_model_last_success_timestamp_seconds": {("fraud",): FakeClock().now().timestamp()},
        "report_deliveries_total": {("false", "board"): 1},
        "report_delivery_delay_seconds": {("false", "board"): 1},
        "user_satisfaction_score": {("growth",): 4.2},
        "user_satisfaction_responses_total": {("growth",): 12},
        "quality_score_ratio": {("orders", "validity"): 0.97},
        "quality_checks_total": {("orders", "passed"): 9, ("orders", "failed"): 1},
        "pipeline_bytes_total": {("growth", "write"): 10**12},
        "pipeline_cost_dollars_total": {("growth",): 12},
        "pipeline_cost_per_terabyte_dollars": {("growth",): 11.5},
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_kind_takes_an_unknown_key_or_a_missing_one(model: type[Any]) -> None:
    kind = model.model_fields["kind"].annotation.__args__[0]
    world = World()
    assert world.post(event(kind, colour="red")).status == 422
    lacking = event(kind)
    del lacking["id"]
    answer = world.post(lacking)
    assert answer.status == 422
    assert any("id" in problem for problem in answer.said["problems"])


WRONG: Sequence[tuple[dict[str, Any], str]] = [
    (event("revenue_at_risk", dollars=-1), "dollars"),
    (event("revenue_at_risk", dollars=float("nan")), "dollars"),
    (event("revenue_processed", dollars=float("inf")), "dollars"),
    (event("user_satisfaction", score=5.1), "score"),
    (event("quality_score", score=1.01), "score"),
    (event("model_training", outcome="so-so"), "outcome"),
    (event("bytes_processed", bytes=1.5), "bytes"),
    (event("bytes_processed", team="a\nb"), "printable"),
    (event("bytes_processed", team="\ud800"), "team"),
    (event("bytes_processed", team="x" * 129), "team"),
    (event("cost", cluster="mars"), "'mars' is not one of default"),
    (event("cost", time="2026-01-05T09:06:00Z"), "ahead"),
    (event("cost", time="2025-12-01T00:00:00Z"), "7 days ago"),
    (event("cost", time="0001-01-01T00:00:00+14:00"), "7 days ago"),
    (event("cost", time="9999-12-31T23:59:59-14:00"), "ahead"),
    (event("cost", time="2026-01-05T09:00:00"), "time"),
    ({"id": "e", "kind": "lottery"}, "lottery"),
    ({"id": "e"}, "kind"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG, ids=lambda value: str(value)[:60])
def test_a_request_with_one_wrong_event_is_refused_whole(wrong: dict[str, Any], said: str) -> None:
    world = World()
    answer = world.post(event("quality_score", "good"), wrong)
    assert answer.status == 422
    assert said in json.dumps(answer.said["problems"])
    assert answer.said["problems"][0].startswith("[1]")
    assert world.shown("quality_score_ratio") == {}
    assert world.post(event("quality_score", "good")).said["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"7", 400), (b"[[]]", 400), (b"[" * 100_000, 400), (b"\xff", 400)],
)
def test_what_is_no_event_is_refused(body: bytes, status: int) -> None:
    assert World().intake.take(EVENTS, body).status == status


def test_an_event_that_comes_again_is_not_counted_again() -> None:
    world = World()
    twice = [event("bytes_processed"), event("bytes_processed")]
    assert world.post(*twice).said == {"accepted": 1, "repeated": 1, "ignored": 0}
    assert world.post(event("bytes_processed")).said["repeated"] == 1
    assert world.shown("pipeline_bytes_total") == {("growth", "write"): 10**12}
    outcomes = nonzero(world.values["default"].families(), "events_total")
    assert outcomes == {("bytes_processed", "accepted"): 1, ("bytes_processed", "repeated"): 2}


def test_after_a_restart_ids_and_gauges_are_known_and_counters_begin_anew() -> None:
    world = World()
    world.post(event("bytes_processed", "b"), event("quality_score", "q"))
    at = world.clock.now().timestamp()
    world.values = {"default": ReportedValues(world.clock)}
    world.clock.advance(3600)
    world.intake = world.restarted()
    assert world.post(event("bytes_processed", "b")).said["repeated"] == 1
    assert world.shown("quality_score_ratio") == {("orders", "validity"): 0.97}
    assert world.shown("pipeline_bytes_total") == {}
    stamp = ("airwarden_quality_score_ratio", "orders,validity", "events")
    assert world.shown("reported_timestamp_seconds")[stamp] == at


def test_what_could_not_be_kept_is_not_acknowledged_and_not_counted() -> None:
    world = World()
    world.memory.break_with(UnavailableError("the disk is full"))
    answer = world.post(event("bytes_processed"))
    assert (answer.status, answer.retry_after) == (503, 10)
    world.memory.break_with(None)
    assert world.post(event("bytes_processed")).said["accepted"] == 1
    assert world.shown("pipeline_bytes_total") == {("growth", "write"): 10**12}


def test_a_value_shows_as_old_and_then_not_at_all_while_its_age_stays() -> None:
    world = World()
    world.post(
        event("quality_score", "a"), event("quality_score", "b", dataset="hourly", valid_for=60)
    )
    at = world.clock.now().timestamp()
    world.clock.advance(61)
    assert world.shown("quality_score_ratio") == {("orders", "validity"): 0.97}
    world.clock.advance(2 * 86_400)
    assert world.shown("quality_score_ratio") == {}
    name = "airwarden_quality_score_ratio"
    stamps = world.shown("reported_timestamp_seconds")
    assert stamps[name, "orders,validity", "events"] == at
    world.clock.advance(91 * 86_400)
    assert world.shown("reported_timestamp_seconds") == {}


def test_of_two_values_the_one_that_happened_later_counts() -> None:
    world = World()
    world.post(event("quality_score", "new", time="2026-01-05T08:59:00Z", source="dbt"))
    world.post(event("quality_score", "old", time="2026-01-05T08:58:00Z", score=0.1))
    assert world.shown("quality_score_ratio") == {("orders", "validity"): 0.97}
    name = "airwarden_quality_score_ratio"
    assert (name, "orders,validity", "events/dbt") in world.shown("reported_timestamp_seconds")


def test_a_counters_first_event_is_seen_as_an_increase() -> None:
    world = World()
    world.post(event("bytes_processed"))
    values = world.values["default"]
    assert every(values.families(), "pipeline_bytes_total") == {("growth", "write"): 0}
    world.post(event("bytes_processed", "e2"))
    world.clock.advance(BIRTH)
    assert every(values.families(), "pipeline_bytes_total") == {("growth", "write"): 2 * 10**12}
    world.post(event("bytes_processed", "e3"))
    assert every(values.families(), "pipeline_bytes_total") == {("growth", "write"): 3 * 10**12}


def test_more_subjects_than_there_is_room_for_are_summed() -> None:
    world = World(limits=IntakeLimits(burst=10_000))
    for batch in range(2):
        world.post(
            *(
                event(kind, f"{kind}{batch}.{n}", product=f"p{batch}.{n:03}", dollars=1)
                for n in range(150)
                for kind in ("revenue_processed", "revenue_at_risk")
            )
        )
    for name in ("business_revenue_processed_dollars_total", "business_revenue_at_risk_dollars"):
        shown = world.shown(name)
        assert len(shown) == 201
        assert sum(shown.values()) == 300
        assert shown["_overflow",] == 100


def test_a_metric_that_a_query_states_is_not_taken_from_events() -> None:
    world = World()
    owners = {"airwarden_quality_score_ratio": frozenset({"sql/warehouse"})}
    world.values["default"].configure(keep=3600, owners=owners)
    assert world.post(event("quality_score")).said == {"accepted": 0, "repeated": 0, "ignored": 1}
    assert world.shown("quality_score_ratio") == {}


def test_too_many_events_are_told_when_to_come_again() -> None:
    world = World(limits=IntakeLimits(rate=1, burst=10))
    assert world.post(*(event("cost", f"a{n}") for n in range(10))).status == 200
    answer = world.post(*(event("cost", f"b{n}") for n in range(4)))
    assert (answer.status, answer.retry_after) == (429, 4)
    world.clock.advance(4)
    assert world.post(*(event("cost", f"b{n}") for n in range(4))).status == 200
    assert world.post(*(event("cost", f"c{n}") for n in range(MAX_BATCH + 1))).status == 413


def test_with_several_clusters_an_event_says_which() -> None:
    world = World("east", "west")
    answer = world.post(event("cost"))
    assert list(answer.said["problems"]) == ["cluster is missing: one of east, west"]
    assert world.post(event("cost", "a", cluster="east")).status == 200
    assert world.post(event("cost", "b"), cluster="west").status == 200
    assert world.shown("pipeline_cost_dollars_total", "east") == {("growth",): 12}
    assert world.shown("pipeline_cost_dollars_total", "west") == {("growth",): 12}


def lineage(event_type: str = "COMPLETE", **changes: Any) -> dict[str, Any]:
    """Return a run event as the Airflow provider and Great Expectations write them."""
    return {
        "eventType": event_type,
        "eventTime": "2026-01-05T08:59:30.5+00:00",
        "run": {"runId": "01a202b2-c500-7baa-84b5-71daedd31104", "facets": {"x": {"y": 1}}},
        "job": {
            "namespace": "lab",
            "name": "etl_orders.load",
            "facets": {"tags": {"tags": [{"key": "team:growth", "value": "team:growth"}]}},
        },
        "inputs": [
            {
                "namespace": "s3",
                "name": "raw/orders",
                "inputFacets": {
                    "inputStatistics": {"rowCount": 100, "size": 5_000},
                    "dataQualityAssertions": {
                        "assertions": [
                            {"assertion": "not_null", "success": True, "column": "id"},
                            {"assertion": "unique", "success": True, "column": "id"},
                            {"assertion": "row_count", "success": False},
                            {"assertion": "accepted_values", "success": True},
                        ]
                    },
                    "dataQualityMetrics": {
                        "rowCount": 100,
                        "bytes": 5_000,
                        "columnMetrics": {
                            "id": {"nullCount": 0},
                            "city": {"nullCount": 20, "distinctCount": 7},
                            "note": {},
                        },
                    },
                },
            }
        ],
        "outputs": [
            {
                "namespace": "s3",
                "name": "orders",
                "outputFacets": {"outputStatistics": {"rowCount": 90, "size": 4_000}},
            }
        ],
        "producer": "https://example.test",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        **changes,
    }


@pytest.mark.parametrize(
    "send",
    [
        lambda world, run: world.post(run, path=LINEAGE),
        lambda world, run: world.post({"kind": "openlineage", "event": run}),
    ],
    ids=["as its clients post it", "as one of our kinds"],
)
def test_an_openlineage_run_gives_bytes_and_quality_once(
    send: Callable[[World, dict[str, Any]], Answer],
) -> None:
    world = World()
    assert send(world, lineage("START")).said["ignored"] == 1
    for expected in ({"accepted": 1, "repeated": 0}, {"accepted": 0, "repeated": 1}):
        assert send(world, lineage()).said == {**expected, "ignored": 0}
    assert world.shown("pipeline_bytes_total") == {
        ("growth", "read"): 5_000,
        ("growth", "write"): 4_000,
    }
    assert world.shown("quality_checks_total") == {
        ("raw/orders", "passed"): 3,
        ("raw/orders", "failed"): 1,
    }
    assert world.shown("quality_score_ratio") == {
        ("raw/orders", "assertions"): 0.75,
        ("raw/orders", "completeness"): 0.9,
    }
    sources = {labels[2] for labels in world.shown("reported_timestamp_seconds")}
    assert sources == {"openlineage"}


def test_a_run_that_only_begins_is_not_kept() -> None:
    world = World()
    world.memory.break_with(UnavailableError("the disk is full"))
    assert world.post(lineage("START"), path=LINEAGE).said["ignored"] == 1
    assert world.post(lineage(), path=LINEAGE).status == 503


def test_the_team_of_an_openlineage_run_comes_from_tags_then_rules() -> None:
    world = World()
    job = {"namespace": "lab", "name": "etl_x.t"}
    world.post(lineage(job=job), path=LINEAGE)
    tagged = {**job, "facets": {"tags": {"tags": [{"key": "team", "value": "search\n\ud800"}]}}}
    world.post(lineage("FAIL", job=tagged), path=LINEAGE)
    assert {team for team, _ in world.shown("pipeline_bytes_total")} == {"platform", "search??"}


def test_the_namespace_of_an_openlineage_run_may_name_the_cluster() -> None:
    world = World("lab", "west")
    assert world.post(lineage(), path=LINEAGE).said["accepted"] == 1
    unknown = lineage(job={"namespace": "spark", "name": "j"}, eventType="FAIL")
    assert world.post(unknown, path=LINEAGE).status == 422
    assert world.post(unknown, path=LINEAGE, cluster="west").said["accepted"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"eventType": "DONE"},
        {"eventTime": "yesterday"},
        {"run": {}},
        {"job": {"name": ""}},
        {"inputs": [{"name": "x", "inputFacets": {"inputStatistics": {"size": -1}}}]},
        {"inputs": [{"name": "x"}] * 201},
    ],
    ids=str,
)
def test_an_event_that_is_not_openlineage_is_refused(changes: dict[str, Any]) -> None:
    assert World().post(lineage(**changes), path=LINEAGE).status == 422


SAMPLES = Path(__file__).parent / "openlineage"


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_what_airflow_sends_is_taken(sample: Path) -> None:
    answer = World().intake.take(LINEAGE, sample.read_bytes())
    assert (answer.status, answer.said["ignored"]) == (200, 1)  # no statistics in these
