"""`pool.grow`: a bounded, absolute number of slots, taken back unless somebody else set the pool since."""

from __future__ import annotations

import pytest

from airwarden.core.errors import ConflictError
from airwarden.core.platform import Pool
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.pool_grow import PoolGrow
from airwarden.remediation.world import Dependency
from support.small_world import Small, subject

GROW = PoolGrow()
ETL = subject({"pool": "etl"})
FULL = Pool("etl", 10, running=10, scheduled=4, open=0)


@pytest.fixture
def small() -> Small:
    small = Small()
    small.airflow.pool_rows = [FULL]
    return small


def grown(small: Small, **parameters: object) -> Effect:
    planned = GROW.plan(small.world(), ETL, parameters)
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    return effect


def slots(small: Small) -> int:
    return small.airflow.pool_rows[0].slots


def test_a_quarter_more_rounded_up_reads_back_and_is_taken_back(small: Small) -> None:
    effect = grown(small)
    assert GROW.read_back(small.world(), effect) is ReadBack.NOT_DONE
    GROW.apply(small.world(), effect)
    assert slots(small) == 13
    assert GROW.read_back(small.world(), effect) is ReadBack.DONE
    back = GROW.undo(small.world(), effect)
    assert isinstance(back, Plan)
    GROW.apply(small.world(), back.effects[0])
    assert slots(small) == 10
    assert isinstance(GROW.undo(small.world(), effect), Nothing)


@pytest.mark.parametrize(("parameters", "wanted"), [({"growth": 9}, 13), ({"most": 11}, 11)])
def test_growth_is_bounded(small: Small, parameters: dict[str, object], wanted: int) -> None:
    assert grown(small, **parameters).parameters["slots"] == wanted


def test_a_pool_that_somebody_closed_stays_closed(small: Small) -> None:
    small.airflow.pool_rows = [Pool("etl", 0, scheduled=4, open=0)]
    refused = GROW.plan(small.world(), ETL, {})
    assert isinstance(refused, Refused)
    assert "closed" in refused.reason


def test_a_pool_at_its_bound_is_refused(small: Small) -> None:
    assert isinstance(GROW.plan(small.world(), ETL, {"most": 10}), Refused)


@pytest.mark.parametrize(
    "pool",
    [
        Pool("etl", 10, running=9, scheduled=4, open=1),
        Pool("etl", 10, running=10, open=0),
        Pool("etl", -1, running=10, scheduled=4, open=-1),
    ],
)
def test_a_pool_that_does_not_starve_is_left_alone(small: Small, pool: Pool) -> None:
    small.airflow.pool_rows = [pool]
    assert isinstance(GROW.plan(small.world(), ETL, {}), Nothing)


def test_a_pool_that_protects_something_is_never_grown(small: Small) -> None:
    world = small.world(dependencies={"warehouse": Dependency("warehouse", pools=("etl",))})
    refused = GROW.plan(world, ETL, {})
    assert isinstance(refused, Refused)
    assert refused.cause == "protective pool is full"
    assert isinstance(GROW.plan(small.world(), ETL, {"protect": ["etl"]}), Refused)


def test_a_slow_database_gets_no_more_tasks(small: Small) -> None:
    small.database.seconds = 2.5
    refused = GROW.plan(small.world(), ETL, {})
    assert isinstance(refused, Refused)
    assert refused.cause == "metadata database slow"


def test_an_unknown_pool_is_refused(small: Small) -> None:
    assert isinstance(GROW.plan(small.world(), subject({"pool": "gone"}), {}), Refused)
    assert isinstance(GROW.plan(small.world(), subject(), {}), Refused)


def test_what_somebody_set_since_is_left_alone(small: Small) -> None:
    effect = grown(small)
    small.airflow.set_pool_slots("etl", 40)
    with pytest.raises(ConflictError):
        GROW.apply(small.world(), effect)
    assert GROW.read_back(small.world(), effect) is ReadBack.UNDECIDABLE
    assert isinstance(GROW.undo(small.world(), effect), Nothing)
