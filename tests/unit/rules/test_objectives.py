"""The objectives: their catalogue, what operators change of them, what is refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from airwarden.core.errors import WrongInputError
from airwarden.core.metrics import metric
from airwarden.rules import slo
from airwarden.rules.build import build
from airwarden.rules.config import ObjectiveOverride, RuleConfig
from airwarden.rules.objectives import CATALOGUE, resolve

FILE = "prometheus/rules/airwarden-slo.yml"


def changed(name: str, override: ObjectiveOverride) -> RuleConfig:
    return RuleConfig(objectives={name: override})


def test_the_profiles_targets_are_the_defaults() -> None:
    targets = {name: str(objective.target) for name, objective in CATALOGUE.items()}
    assert targets == {
        "task-success": "0.999",
        "dag-success": "0.98",
        "sla-compliance": "0.97",
        "freshness": "0.99",
        "task-latency": "0.99",
        "scheduling-latency": "0.95",
        "platform-availability": "0.9995",
    }
    limits = {name: o.seconds for name, o in CATALOGUE.items() if o.limit}
    assert limits == {"freshness": 3600, "task-latency": 600, "scheduling-latency": 3}


@pytest.mark.parametrize("name", [name for name, o in CATALOGUE.items() if o.histogram])
def test_a_limit_on_a_latency_is_a_bound_of_its_histogram(name: str) -> None:
    assert CATALOGUE[name].seconds in metric(CATALOGUE[name].histogram).buckets


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_objective_that_is_off_leaves_no_trace(name: str) -> None:
    assert f"slo: {name}\n" in build(RuleConfig())[FILE]
    assert f"slo: {name}\n" not in build(changed(name, ObjectiveOverride(enabled=False)))[FILE]


def test_target_limit_and_minimum_are_in_the_rules() -> None:
    config = changed(
        "task-latency",
        ObjectiveOverride(target=Decimal("0.95"), limit=timedelta(minutes=30), at_least=40),
    )
    text = build(config)[FILE]
    assert "vector(0.05)" in text
    assert 'le=~"1800([.]0)?"' in text
    # Each event is in 20 samples of 15 s.
    assert 'clamp_min(sum_over_time(cluster_slo:airwarden_events:count{slo="task-latency"}[1h]), 800)' in text  # fmt: skip


@pytest.mark.parametrize(
    ("name", "override", "says"),
    [
        ("task-succes", ObjectiveOverride(), "there is no such objective (one of task-success"),
        ("task-success", ObjectiveOverride(target=Decimal(1)), "every failure pages"),
        ("task-success", ObjectiveOverride(limit=timedelta(1)), "not about a time"),
        ("task-latency", ObjectiveOverride(limit=timedelta(minutes=11)), "600s, 1800s"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key(
    name: str, override: ObjectiveOverride, says: str
) -> None:
    with pytest.raises(WrongInputError) as refused:
        resolve(changed(name, override))
    assert str(refused.value).startswith(f"objectives.{name}")
    assert says in str(refused.value)


def test_the_windows_are_those_of_the_workbook() -> None:
    assert [(burn, long, short) for burn, long, short in (*slo.FAST, *slo.SLOW)] == [
        (14.4, "1h", "5m"),
        (6, "6h", "30m"),
        (3, "1d", "2h"),
        (1, "3d", "6h"),
    ]
