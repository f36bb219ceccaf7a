"""`database.end_sessions`: the one application at fault, and nobody who must not be touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from airwarden.core.errors import ConflictError, UnavailableError, UnknownOutcomeError
from airwarden.core.platform import DatabaseSession
from airwarden.remediation.actions.base import Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.sessions import EndSessions
from airwarden.remediation.checks.base import Check, Verdict
from airwarden.remediation.checks.database import (
    DatabaseBlocked,
    DatabaseConnectionsOk,
    DatabaseFast,
    DatabaseFree,
    IdleLongEnough,
    SchedulerLockFree,
)
from airwarden.remediation.checks.killed import DatabaseBlocker, TransactionsShort
from support.small_world import Small, SmallDatabase, ago, subject

ACTION = EndSessions()
HOLDER, LEAK = {"which": "lock-holder"}, {"which": "leaking"}


def session(
    pid: int,
    application: str = "leaky-etl",
    state: str = "idle",
    *,
    age: float = 90,
    lock: bool = False,
) -> DatabaseSession:
    in_transaction = ago(age) if "transaction" in state or state == "active" else None
    return DatabaseSession(
        pid,
        ago(3600),
        in_transaction,
        state,
        age,
        application,
        "airflow",
        holds_scheduler_lock=lock,
    )


@pytest.fixture
def small() -> Small:
    """Airflow's own sessions, a backup, and a leak that holds the lock and nearly every slot."""
    small = Small()
    small.database.open_sessions = [
        *(session(n, "") for n in range(1, 16)),
        session(20, "pg_dump"),
        session(21, "airflow-scheduler"),
        session(30, state="idle in transaction", lock=True),
        *(session(n) for n in range(31, 61)),
    ]
    small.database.answers["connections"] = [{"sessions": 96, "connections_max": 97}]
    return small


def plan(small: Small, parameters: Mapping[str, object]) -> Plan | Nothing | Refused:
    return ACTION.plan(small.world(), subject(), parameters)


def test_the_holder_of_the_lock_is_ended_and_named(small: Small) -> None:
    planned = plan(small, HOLDER)
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    assert "leaky-etl" in effect.summary
    assert ACTION.read_back(small.world(), effect) is ReadBack.NOT_DONE
    assert ACTION.apply(small.world(), effect) == {"ended": [30], "changed_since": [], "left": 0}
    assert small.database.ended == [30]
    assert ACTION.read_back(small.world(), effect) is ReadBack.DONE
    assert isinstance(plan(small, HOLDER), Nothing)


def test_the_leak_is_ended_and_nobody_else(small: Small) -> None:
    planned = plan(small, LEAK)
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    assert effect.target == "prod/db-application/leaky-etl"
    ACTION.apply(small.world(), effect)
    assert sorted(small.database.ended) == list(range(30, 61))
    assert {s.application for s in small.database.open_sessions} == {
        "",
        "pg_dump",
        "airflow-scheduler",
    }


def test_no_leak_is_looked_for_while_there_are_slots(small: Small) -> None:
    small.database.answers["connections"] = [{"sessions": 40, "connections_max": 97}]
    assert isinstance(plan(small, LEAK), Nothing)


def test_unnamed_sessions_are_airflows_and_never_ended(small: Small) -> None:
    small.database.open_sessions = [session(n, "") for n in range(1, 90)]
    planned = plan(small, LEAK)
    assert isinstance(planned, Refused)
    assert planned.cause == "database connections exhausted"


def test_a_lock_held_by_airflow_itself_is_a_matter_for_people(small: Small) -> None:
    small.database.open_sessions = [session(1, "", "idle in transaction", lock=True)]
    planned = plan(small, HOLDER)
    assert isinstance(planned, Refused)
    assert "session without a name" in planned.cause


def test_a_holder_that_works_is_left_alone(small: Small) -> None:
    small.database.open_sessions = [session(1, "report", "active", lock=True)]
    planned = plan(small, HOLDER)
    assert isinstance(planned, Nothing)
    assert "report works in it" in planned.reason


def test_a_session_that_is_idle_for_a_moment_only_is_left_alone(small: Small) -> None:
    small.database.open_sessions = [
        session(1, state="idle in transaction", lock=True, age=3),
        *(session(n, age=3) for n in range(2, 40)),
    ]
    assert isinstance(plan(small, HOLDER), Nothing)
    assert isinstance(plan(small, LEAK), Nothing)
    check = IdleLongEnough().read(small.world(), subject(), {"idle_for": 30})
    assert check.verdict is Verdict.FALSE
    assert isinstance(plan(small, {**LEAK, "idle_for": 2}), Plan)


def test_a_pool_of_ordinary_size_is_no_leak(small: Small) -> None:
    small.database.open_sessions = [session(n, "reporting") for n in range(1, 9)]
    assert isinstance(plan(small, LEAK), Refused)


def test_the_operators_protected_names_are_kept(small: Small) -> None:
    assert isinstance(plan(small, {**LEAK, "protect": ["leaky*"]}), Refused)
    assert isinstance(plan(small, {**HOLDER, "protect": ["leaky*"]}), Refused)


def test_a_leak_is_ended_wave_by_wave_and_stops_where_it_is_another_one(small: Small) -> None:
    """One session first; the wave after it finds most of them at work again: they are no leak."""
    planned = plan(small, LEAK)
    assert isinstance(planned, Plan)
    pids = [one["pid"] for one in planned.effects[0].parameters["sessions"]]
    small.database.open_sessions = [
        replace(one, state="active") if one.pid in pids[1:4] else one
        for one in small.database.open_sessions
    ]
    done = ACTION.apply(small.world(), planned.effects[0])
    assert done["ended"] == [pids[0], *pids[4:6]]
    assert done["left"] == len(pids) - 6


def test_a_canary_that_changed_stops_everything(small: Small) -> None:
    planned = plan(small, LEAK)
    assert isinstance(planned, Plan)
    first = planned.effects[0].parameters["sessions"][0]["pid"]
    small.database.open_sessions = [
        replace(one, state="active") if one.pid == first else one
        for one in small.database.open_sessions
    ]
    with pytest.raises(ConflictError):
        ACTION.apply(small.world(), planned.effects[0])
    assert small.database.ended == []


def test_a_session_that_does_not_go_leaves_the_others_alone(small: Small) -> None:
    class Deaf(SmallDatabase):
        def end(self, session: DatabaseSession) -> bool:
            self.ended.append(session.pid)
            return True

    small.database = Deaf(
        open_sessions=small.database.open_sessions, answers=small.database.answers
    )
    planned = plan(small, LEAK)
    assert isinstance(planned, Plan)
    with pytest.raises(UnknownOutcomeError):
        ACTION.apply(small.world(), planned.effects[0])
    assert len(small.database.ended) == 1


def test_a_session_that_changed_since_is_skipped_and_told(small: Small) -> None:
    planned = plan(small, LEAK)
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    rows = small.database.open_sessions
    small.database.open_sessions = [
        replace(s, state="active") if s.pid == 58 else s for s in rows if s.pid != 59
    ]
    done = ACTION.apply(small.world(), effect)
    assert sorted(done["changed_since"]) == [58, 59]
    assert 58 not in small.database.ended


def test_ending_again_what_is_gone_is_a_conflict_and_harms_nobody(small: Small) -> None:
    planned = plan(small, HOLDER)
    assert isinstance(planned, Plan)
    ACTION.apply(small.world(), planned.effects[0])
    with pytest.raises(ConflictError):
        ACTION.apply(small.world(), planned.effects[0])
    assert isinstance(ACTION.undo(small.world(), planned.effects[0]), Nothing)


def test_an_unreadable_limit_or_session_list_raises(small: Small) -> None:
    small.database.error = UnavailableError("gone")
    for parameters in (HOLDER, LEAK):
        with pytest.raises(UnavailableError):
            plan(small, parameters)


def test_the_checks_see_the_lock_and_the_slots(small: Small) -> None:
    def verdicts() -> list[Verdict]:
        checks = (SchedulerLockFree(), DatabaseConnectionsOk(), DatabaseFree(), DatabaseBlocked())
        return [check.read(small.world(), subject(), {}).verdict for check in checks]

    yes, no = Verdict.TRUE, Verdict.FALSE
    assert verdicts() == [no, no, no, yes]
    small.database.answers["connections"] = [{"sessions": 40, "connections_max": 97}]
    assert verdicts() == [no, yes, no, yes]
    small.database.open_sessions = []
    assert verdicts() == [yes, yes, yes, no]
    del small.database.answers["connections"]
    small.database.answers["connections"] = []
    assert verdicts() == [yes, Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.UNKNOWN]
    small.database.error = UnavailableError("gone")
    assert set(verdicts()) == {Verdict.UNKNOWN}


def test_a_database_that_does_not_answer_is_not_fast(small: Small) -> None:
    assert DatabaseFast().read(small.world(), subject(), {}).verdict is Verdict.TRUE
    small.database.seconds = 1.5
    assert DatabaseFast().read(small.world(), subject(), {}).verdict is Verdict.FALSE
    small.database.error = UnavailableError("gone")
    assert DatabaseFast().read(small.world(), subject(), {}).verdict is Verdict.FALSE


def test_what_is_hidden_is_neither_idle_nor_busy(small: Small) -> None:
    seen = small.database.open_sessions
    blind = [replace(one, state="unknown", query="<insufficient privilege>") for one in seen]
    small.database.open_sessions = blind
    every: tuple[Check, ...] = (
        SchedulerLockFree(), IdleLongEnough(), DatabaseBlocker(), TransactionsShort(),
    )  # fmt: skip
    for check in every:
        reading = check.read(small.world(), subject(), {})
        assert (reading.verdict, "pg_monitor" in reading.sentence) == (Verdict.UNKNOWN, True), check
    for which in ("lock-holder", "leaking", "blocking"):
        with pytest.raises(UnavailableError, match="pg_monitor"):
            ACTION.plan(small.world(), subject(), {"which": which})
    small.database.open_sessions = seen
    plan = ACTION.plan(small.world(), subject(), HOLDER)
    assert isinstance(plan, Plan)
    # A right that is taken away after the effect does not make it one that is done.
    small.database.open_sessions = blind
    with pytest.raises(UnavailableError, match="pg_monitor"):
        ACTION.read_back(small.world(), plan.effects[0])
