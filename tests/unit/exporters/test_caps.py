"""Series stay bounded, whatever label values come; sums stay right, and what is missing is counted."""

from __future__ import annotations

from airwarden.exporters import families
from airwarden.exporters.caps import SeriesCap, series_of
from airwarden.exporters.exposition import page
from airwarden.exporters.families import (
    MAX_NUMBERS,
    OVERFLOW,
    Bins,
    Counter,
    Family,
    Histogram,
    Labels,
    gauge,
)
from airwarden.exporters.snapshot import Snapshot

MANY = 60_000


def samples(family: Family) -> dict[tuple[str, ...], float]:
    return {
        labels: float(value.count if isinstance(value, Bins) else value)
        for labels, value in family.samples
    }


def test_60000_label_values_of_a_counter_are_few_series_and_the_right_sum() -> None:
    counter = Counter("airwarden_task_instances_started_total")
    before = 0.0
    for _ in range(2):
        for number in range(MANY):
            counter.add((f"queue_{number}",))
        family = counter.family()
        assert len(family.samples) <= families.MAX_NUMBERS + 1
        found = samples(family)
        assert sum(found.values()) == before + MANY
        assert found[OVERFLOW,] > before / 2, "it only grows"
        before = sum(found.values())
    assert family.folded == families.MAX_NUMBERS, "as many as are remembered"
    assert counter.family().folded == 0


def test_labels_whose_values_are_known_stay_apart_in_the_overflow() -> None:
    counter = Counter("airwarden_task_instances_finished_total", most=1)
    for team in ("a", "b", "c"):
        counter.add(("failed", "default", "high", team))
    assert samples(counter.family()) == {
        ("failed", "default", "high", "a"): 1,
        ("failed", OVERFLOW, "high", OVERFLOW): 2,
    }


def test_a_histogram_overflows_with_its_sum() -> None:
    histogram = Histogram("airwarden_task_queue_wait_seconds")
    for number in range(families.MAX_SAMPLES + 10):
        histogram.observe((f"queue_{number}",), 2.0)
    found = samples(histogram.family())
    assert (len(found), found[OVERFLOW,]) == (families.MAX_SAMPLES + 1, 10)


def test_a_gauge_keeps_its_largest_and_sums_the_rest_where_a_sum_means_something() -> None:
    rows: dict[Labels, float] = {
        ("queued", f"queue_{n}", "pool"): float(n) for n in range(families.MAX_NUMBERS + 3)
    }
    found = samples(gauge("airwarden_task_instances", rows))
    assert found["queued", OVERFLOW, OVERFLOW] == 0 + 1 + 2
    assert ("queued", "queue_3", "pool") in found
    ages: dict[Labels, float] = {(f"app_{n}",): float(n) for n in range(families.MAX_NUMBERS + 3)}
    family = gauge("airwarden_db_idle_in_transaction_age_seconds", ages)
    assert (OVERFLOW,) not in samples(family)
    assert family.folded == 3


def test_series_that_nobody_wants_are_dropped_and_make_room() -> None:
    counter = Counter("airwarden_task_instances_started_total")
    counter.born((f"q{number}",) for number in range(MAX_NUMBERS))
    counter.add(("new",))
    assert counter.value((OVERFLOW,)) == 1
    counter.retire(lambda labels: labels == (OVERFLOW,))
    counter.add(("new",))
    assert samples(counter.family()) == {(OVERFLOW,): 1, ("new",): 1}


def test_the_page_stays_within_its_limit_and_only_the_largest_metric_loses() -> None:
    cap = SeriesCap(100)
    small = gauge("airwarden_dags", {("active",): 1, ("paused",): 2})
    large = gauge("airwarden_pool_slots", {(f"p{n:04}", "open"): n for n in range(500)})
    shown = cap.admit("east", "pools", [large, small])
    assert [series_of(family) for family in shown] == [98, 2]
    assert cap.dropped("east") == {"airwarden_pool_slots": 402}
    other = cap.admit("east", "dags", [gauge("airwarden_dag_runs", {("queued", "high", "a"): 1})])
    assert series_of(other[0]) == 0, "there is no room left"
    shown = cap.admit("east", "pools", [small])
    assert cap.held("east") == {"airwarden_dags": 2, "airwarden_dag_runs": 0}


def test_what_is_left_out_is_not_on_the_page() -> None:
    snapshot = Snapshot(SeriesCap(10))
    slots: dict[Labels, float] = {(f"p{n:04}", "open"): n for n in range(500)}
    snapshot.publish("east", "pools", [gauge("airwarden_pool_slots", slots)])
    lines = page(snapshot.blocks(), openmetrics=False).splitlines()
    assert len([line for line in lines if line[0] != "#"]) == 10
