"""Backfills: a real Airflow and the fake, by the port, and by the action that holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeAirflow
from airwarden.core.errors import ConflictError, NotFoundError
from airwarden.core.platform import Backfill, Dag
from airwarden.core.ports import Airflow
from airwarden.remediation.actions.backfills import BackfillPause
from airwarden.remediation.actions.base import Nothing, Plan, ReadBack
from airwarden.remediation.world import World
from support.airflow_api import DAG_ID, PASSWORD, USER, AirflowApi
from support.small_world import subject


@dataclass
class Case:
    """An Airflow with one backfill of the DAG `contract` that runs."""

    airflow: Airflow
    number: int
    end: Callable[[], None]


def fake_case() -> Case:
    fake = FakeAirflow(SystemClock())
    fake.put_dag(Dag(DAG_ID, is_paused=False))
    fake.put_backfill(Backfill(7, DAG_ID, is_paused=False))
    return Case(fake, 7, lambda: fake.end_backfill(7))


def real_case(api: AirflowApi) -> Case:
    tokens = PasswordToken(api.url, USER, lambda: PASSWORD)
    # What an earlier test began holds the DAG: Airflow lets it have one backfill at a time.
    api.database.execute("UPDATE backfill SET completed_at = now() WHERE completed_at IS NULL")
    api.database.execute("DELETE FROM dag_run WHERE run_type = 'backfill'")
    answer = httpx.post(
        f"{api.url}/api/v2/backfills",
        headers={"Authorization": f"Bearer {tokens.token()}"},
        json={
            "dag_id": DAG_ID,
            "from_date": "2026-02-01T00:00:00Z",
            "to_date": "2026-02-04T00:00:00Z",
            "max_active_runs": 2,
        },
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    number = int(answer.json()["id"])

    def end() -> None:
        api.database.execute("UPDATE backfill SET completed_at = now() WHERE id = %s", number)

    return Case(AirflowRest(api.url, tokens), number, end)


@pytest.fixture(params=["fake", "real"])
def case(request: pytest.FixtureRequest) -> Case:
    return (
        fake_case()
        if request.param == "fake"
        else real_case(request.getfixturevalue("airflow_api"))
    )


def paused(case: Case) -> bool:
    (one,) = case.airflow.backfills(DAG_ID)
    assert one.id == case.number
    return one.is_paused


def test_pausing_is_absolute(case: Case) -> None:
    assert not paused(case)
    for wanted in (True, True, False, False):
        case.airflow.set_backfill_paused(case.number, paused=wanted)
        assert paused(case) is wanted


def test_one_that_is_over_is_not_listed_and_cannot_be_paused(case: Case) -> None:
    case.end()
    assert list(case.airflow.backfills(DAG_ID)) == []
    with pytest.raises(ConflictError):
        case.airflow.set_backfill_paused(case.number, paused=True)
    with pytest.raises(NotFoundError):
        case.airflow.set_backfill_paused(987654, paused=True)


def test_the_action_holds_what_runs_reads_it_back_and_lets_on_only_that(case: Case) -> None:
    action, world = BackfillPause(), World("lab", SystemClock(), airflow=case.airflow)
    about = subject({"dag_id": DAG_ID})
    plan = action.plan(world, about, {"which": "labels"})
    assert isinstance(plan, Plan)
    (effect,) = plan.effects
    assert action.read_back(world, effect) is ReadBack.NOT_DONE
    action.apply(world, effect)
    assert action.read_back(world, effect) is ReadBack.DONE
    assert paused(case)
    # What is paused is not planned for again, so it is never taken for ours.
    assert isinstance(action.plan(world, about, {"which": "labels"}), Nothing)
    back = action.undo(world, effect)
    assert isinstance(back, Plan)
    action.apply(world, back.effects[0])
    assert not paused(case)
    assert isinstance(action.undo(world, effect), Nothing)


def test_one_that_ended_meanwhile_is_a_conflict_and_its_outcome_cannot_be_told(case: Case) -> None:
    action, world = BackfillPause(), World("lab", SystemClock(), airflow=case.airflow)
    plan = action.plan(world, subject({"dag_id": DAG_ID}), {"which": "labels"})
    assert isinstance(plan, Plan)
    case.end()
    with pytest.raises(ConflictError):
        action.apply(world, plan.effects[0])
    assert action.read_back(world, plan.effects[0]) is ReadBack.UNDECIDABLE


def test_the_runs_of_a_backfill_are_found_among_all(airflow_api: AirflowApi) -> None:
    case = real_case(airflow_api)
    runs = [run for run in case.airflow.dag_runs(DAG_ID) if run.run_type == "backfill"]
    assert len(runs) == 4
    plan = BackfillPause().plan(
        World("lab", SystemClock(), airflow=case.airflow), subject({}), {"which": "all"}
    )
    assert isinstance(plan, Plan)
    assert [effect.parameters["backfill"] for effect in plan.effects] == [case.number]
