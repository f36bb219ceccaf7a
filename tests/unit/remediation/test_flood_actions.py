"""One DAG floods: its backfills and then itself are paused, and only what we paused is let on."""

from __future__ import annotations

import pytest

from airwarden.core.errors import ConflictError
from airwarden.core.platform import Backfill, Dag, DagRun, TaskInstance, TaskKey
from airwarden.remediation.actions.backfills import BackfillPause
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.dags import DagPause
from airwarden.remediation.actions.triggering import DagTrigger
from airwarden.remediation.floods import flooding_dag
from support.small_world import Small, subject

BACKFILL, PAUSE, TRIGGER = BackfillPause(), DagPause(), DagTrigger()
NOBODY = subject()


def waiting(dag_id: str, count: int) -> list[TaskInstance]:
    return [
        TaskInstance(TaskKey(dag_id, f"r{n}", "t"), f"{dag_id}{n}", "scheduled", 0, 0)
        for n in range(count)
    ]


@pytest.fixture
def small() -> Small:
    small = Small()
    small.airflow.dag_rows = [Dag("flood", False), Dag("other", False), Dag("asleep", True)]
    small.airflow.tasks = [*waiting("flood", 60), *waiting("other", 30), *waiting("asleep", 500)]
    small.airflow.backfill_rows = [Backfill(3, "flood", False), Backfill(4, "flood", True)]
    return small


def only(planned: object) -> Effect:
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    return effect


def test_the_flooding_dag_is_found_among_those_that_run(small: Small) -> None:
    flood = flooding_dag(small.airflow, {})
    assert (flood.dag_id, flood.floods) == ("flood", True)
    assert flood.sentence == "flood has 60 of 90 waiting tasks"


@pytest.mark.parametrize(
    ("mine", "others"), [(30, 60), (30, 10), (60, 0)], ids=["share", "too few", "alone"]
)
def test_what_is_no_flood_pauses_nothing(small: Small, mine: int, others: int) -> None:
    small.airflow.tasks = [*waiting("flood", mine), *waiting("other", others)]
    parameters = {"share": 0.7}
    assert isinstance(BACKFILL.plan(small.world(), NOBODY, parameters), Nothing)
    assert isinstance(
        PAUSE.plan(small.world(), NOBODY, {"dags": "flooding", **parameters}), Nothing
    )


def test_a_running_backfill_is_paused_and_let_on(small: Small) -> None:
    effect = only(BACKFILL.plan(small.world(), NOBODY, {}))
    assert effect.summary == "pause backfill 3 of flood"
    assert BACKFILL.read_back(small.world(), effect) is ReadBack.NOT_DONE
    BACKFILL.apply(small.world(), effect)
    assert BACKFILL.read_back(small.world(), effect) is ReadBack.DONE
    back = only(BACKFILL.undo(small.world(), effect))
    BACKFILL.apply(small.world(), back)
    assert [b.is_paused for b in small.airflow.backfill_rows] == [False, True]
    assert isinstance(BACKFILL.undo(small.world(), effect), Nothing)


def test_a_backfill_that_is_over_is_nobodys(small: Small) -> None:
    effect = only(BACKFILL.plan(small.world(), NOBODY, {}))
    small.airflow.backfill_rows = []
    assert BACKFILL.read_back(small.world(), effect) is ReadBack.UNDECIDABLE
    assert isinstance(BACKFILL.undo(small.world(), effect), Nothing)


def test_all_backfills_are_those_with_open_runs(small: Small) -> None:
    small.airflow.tasks = []
    assert isinstance(BACKFILL.plan(small.world(), NOBODY, {"which": "all"}), Nothing)
    small.airflow.runs = [DagRun("flood", "b1", "running", "backfill")]
    assert only(BACKFILL.plan(small.world(), NOBODY, {"which": "all"})).parameters["backfill"] == 3


def test_the_flooding_dag_is_paused_and_let_on(small: Small) -> None:
    effect = only(PAUSE.plan(small.world(), NOBODY, {"dags": "flooding"}))
    PAUSE.apply(small.world(), effect)
    assert small.airflow.dag("flood").is_paused
    PAUSE.apply(small.world(), only(PAUSE.undo(small.world(), effect)))
    assert not small.airflow.dag("flood").is_paused


def test_a_named_dag_is_paused_and_one_that_is_not_there_refused(small: Small) -> None:
    named = {"dags": "labels"}
    assert only(PAUSE.plan(small.world(), subject({"dag_id": "other"}), named))
    assert isinstance(PAUSE.plan(small.world(), subject({"dag_id": "asleep"}), named), Nothing)
    assert isinstance(PAUSE.plan(small.world(), subject({"dag_id": "gone"}), named), Refused)
    assert isinstance(PAUSE.plan(small.world(), NOBODY, named), Refused)


def test_a_run_is_started_once_for_an_incident(small: Small) -> None:
    parameters = {"dag_id": "other", "conf": {"full": True}, "purpose": "rebuild"}
    effect = only(TRIGGER.plan(small.world(), NOBODY, parameters))
    assert effect.parameters["run_id"] == "airwarden_rebuild__inc-1"
    assert TRIGGER.read_back(small.world(), effect) is ReadBack.NOT_DONE
    TRIGGER.apply(small.world(), effect)
    assert TRIGGER.apply(small.world(), effect)["state"] == "exists"
    assert TRIGGER.read_back(small.world(), effect) is ReadBack.DONE
    assert isinstance(TRIGGER.plan(small.world(), NOBODY, parameters), Nothing)
    assert len(small.airflow.runs) == 1


@pytest.mark.parametrize("parameters", [{}, {"dag_id": "gone"}, {"dag_id": "asleep"}])
def test_no_run_of_what_is_not_named_not_there_or_paused(
    small: Small, parameters: dict[str, str]
) -> None:
    assert isinstance(TRIGGER.plan(small.world(), NOBODY, parameters), Refused)


def test_a_backfill_that_ended_between_plan_and_act_is_a_conflict(small: Small) -> None:
    effect = only(BACKFILL.plan(small.world(), NOBODY, {}))

    def over(backfill_id: int, *, paused: bool) -> None:
        raise ConflictError(f"backfill {backfill_id} is completed")

    small.airflow.set_backfill_paused = over  # type: ignore[method-assign]
    with pytest.raises(ConflictError):
        BACKFILL.apply(small.world(), effect)
