"""Runs of playbooks and the attempts of their effects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, and_, bindparam, func, insert, or_, select, update

from airwarden.remediation.actions.base import Danger, Effect
from airwarden.remediation.decide.states import (
    ATTEMPT_TRANSITIONS,
    RUN_TRANSITIONS,
    AttemptState,
    Mode,
    RunState,
    allowed,
)
from airwarden.remediation.journal.store import FencedError, Tx
from airwarden.remediation.journal.tables import (
    attempt,
    incident,
    playbook_version,
    run,
    shadow_result,
)
from airwarden.remediation.journal.upsert import insert_into
from airwarden.remediation.playbook import Playbook

RUN_TERMINAL = tuple(state for state in RunState if state.terminal)
UNSETTLED = tuple(state for state in AttemptState if not state.settled)

# Made once: each look at a run asks most of them.
_RUN = select(run).where(run.c.id == bindparam("run_id"))
_RUNS_OF = (
    select(run).where(run.c.incident_id == bindparam("incident_id")).order_by(run.c.generation)
)
_DUE = (
    select(run.c.id)
    .where(
        run.c.state.not_in(RUN_TERMINAL),
        run.c.next_at <= bindparam("now", type_=run.c.next_at.type),
    )
    .order_by(run.c.next_at, run.c.id)
    .limit(bindparam("most"))
)
_TRIED_BY = select(attempt).where(attempt.c.run_id == bindparam("run_id")).order_by(attempt.c.id)
_TRIED_FOR = (
    select(attempt)
    .join(run, run.c.id == attempt.c.run_id)
    .where(run.c.incident_id == bindparam("incident_id"))
    .order_by(attempt.c.id)
)
_PINNED = select(playbook_version.c.body).where(playbook_version.c.sha256 == bindparam("sha256"))


@dataclass(frozen=True, slots=True)
class Run:
    """A run as stored.

    Attributes:
        generation: 1 for the incident's first run, more for each retry.
        episode: The incident's recurrence count when it began.
        progress: Where it is, see `progress.Progress`.
        plan_json: The effects of the current step that are still to be done.
        fault_since: Since when the fault is seen; later than the alert's start for a retry.
        claim_token: The fencing token of the leader that last worked on it.
    """

    id: int
    cluster: str
    incident_id: int
    playbook_sha: str
    generation: int
    episode: int
    mode: Mode
    state: RunState
    rev: int
    progress: str
    plan_json: str | None
    plan_hash: str | None
    plan_valid_until: datetime | None
    reason: str
    started_at: datetime
    fault_since: datetime
    deadline: datetime
    first_effect_at: datetime | None
    ended_at: datetime | None
    claimed_by: str | None
    claim_token: int | None
    claim_until: datetime | None
    next_at: datetime

    @property
    def object(self) -> str:
        """Its name in the audit is its incident's: one story, one thread."""
        return f"incident/{self.incident_id}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one effect as stored; times in UTC, `deadline` in seconds."""

    id: int
    cluster: str
    run_id: int
    step_seq: int
    step_id: str
    attempt_no: int
    idem_key: str
    target: str
    action: str
    danger: Danger
    undo_of: int | None
    state: AttemptState
    fence_token: int
    summary: str
    before_json: str
    request_json: str
    observed_json: str | None
    created_at: datetime
    started_at: datetime | None
    deadline: float
    finished_at: datetime | None
    error: str

    @property
    def effect(self) -> Effect:
        """The effect, as complete as it was when it was planned."""
        return load_effect(json.loads(self.request_json))


def dump_effect(effect: Effect) -> dict[str, Any]:
    """Return an effect as a JSON object."""
    return {
        "action": effect.action,
        "target": effect.target,
        "parameters": dict(effect.parameters),
        "before": dict(effect.before),
        "summary": effect.summary,
        "generation": effect.generation,
        "dead": effect.dead,
        "removes_capacity": effect.removes_capacity,
    }


def load_effect(body: Mapping[str, Any]) -> Effect:
    """Read what `dump_effect` made."""
    return Effect(**body)


def _run(row: Row[Any]) -> Run:
    values = {column.name: getattr(row, column.name) for column in run.columns}
    values["mode"] = Mode(row.mode)
    values["state"] = RunState(row.state)
    return Run(**values)


def _attempt(row: Row[Any]) -> Attempt:
    values = {column.name: getattr(row, column.name) for column in attempt.columns}
    values["danger"] = Danger(row.danger)
    values["state"] = AttemptState(row.state)
    return Attempt(**values)


def pin_playbook(tx: Tx, playbook: Playbook, mode: Mode, danger: Danger) -> None:
    """Keep the playbook's text, so that a run in flight survives a change of the file."""
    statement = insert_into(tx, playbook_version).values(
        sha256=playbook.sha256,
        name=playbook.name,
        mode=mode,
        danger_class=danger,
        body=playbook.body,
        first_used_at=tx.now,
    )
    tx.connection.execute(statement.on_conflict_do_nothing())


def pinned_playbook(tx: Tx, sha256: str) -> Playbook:
    """Return the playbook that a run was begun with."""
    body = tx.connection.execute(_PINNED, {"sha256": sha256}).scalar_one()
    return _parsed(body)


@lru_cache(maxsize=256)
def _parsed(body: str) -> Playbook:
    return Playbook.model_validate_json(body)


def begin(tx: Tx, **fields: Any) -> Run:
    """Insert a run in state PLANNED."""
    values = {"state": RunState.PLANNED, "started_at": tx.now, "next_at": tx.now, **fields}
    new_id = tx.connection.execute(insert(run).values(**values).returning(run.c.id)).scalar_one()
    return get(tx, new_id)


def get(tx: Tx, run_id: int) -> Run:
    """Return a run; raises KeyError."""
    row = tx.connection.execute(_RUN, {"run_id": run_id}).first()
    if row is None:
        raise KeyError(run_id)
    return _run(row)


def of_incident(tx: Tx, incident_id: int) -> list[Run]:
    """Return an incident's runs, oldest first."""
    rows = tx.connection.execute(_RUNS_OF, {"incident_id": incident_id})
    return [_run(row) for row in rows]


def due(tx: Tx, limit: int = 100) -> list[int]:
    """Return the numbers of runs that have something to do now, longest waiting first."""
    return list(tx.connection.execute(_DUE, {"now": tx.now, "most": limit}).scalars())


def change(tx: Tx, one: Run, **fields: Any) -> Run:
    """Change a run that nobody else changed since it was read; raises FencedError."""
    holder = tx.fence.holder if tx.fence else one.claimed_by
    token = tx.fence.token if tx.fence else one.claim_token
    values = {**fields, "rev": one.rev + 1, "claimed_by": holder, "claim_token": token}
    done = tx.connection.execute(
        update(run)
        .where(run.c.id == one.id, run.c.rev == one.rev, run.c.state == one.state)
        .values(**values)
    )
    if done.rowcount != 1:
        raise FencedError(f"run {one.id} was changed by another")
    return replace(one, **values)


def move(tx: Tx, one: Run, state: RunState, **fields: Any) -> Run:
    """Make a transition; raises ValueError for one that the table does not have."""
    if not allowed(RUN_TRANSITIONS, one.state, state):
        raise ValueError(f"run {one.id}: {one.state} → {state} is no transition")
    return change(tx, one, state=state, **fields)


def look_at(tx: Tx, run_id: int, after: timedelta = timedelta(0)) -> None:
    """Let a run be looked at so long from now; nothing else changes: no compare-and-set is needed."""
    tx.connection.execute(update(run).where(run.c.id == run_id).values(next_at=tx.now + after))


def intend(tx: Tx, **fields: Any) -> Attempt:
    """Insert an attempt in state INTENT: from here on the effect may happen."""
    values = {
        "state": AttemptState.INTENT,
        "created_at": tx.now,
        "fence_token": tx.token,
        **fields,
    }
    new_id = tx.connection.execute(insert(attempt).values(**values).returning(attempt.c.id))
    return get_attempt(tx, new_id.scalar_one())


def get_attempt(tx: Tx, attempt_id: int) -> Attempt:
    """Return an attempt; raises KeyError."""
    row = tx.connection.execute(select(attempt).where(attempt.c.id == attempt_id)).first()
    if row is None:
        raise KeyError(attempt_id)
    return _attempt(row)


def settle(tx: Tx, one: Attempt, state: AttemptState, **fields: Any) -> Attempt:
    """Make a transition of an attempt; raises FencedError where somebody else made one."""
    if not allowed(ATTEMPT_TRANSITIONS, one.state, state):
        raise ValueError(f"attempt {one.id}: {one.state} → {state} is no transition")
    values = {"state": state, **fields}
    if state.settled:
        values["finished_at"] = tx.now
    done = tx.connection.execute(
        update(attempt).where(attempt.c.id == one.id, attempt.c.state == one.state).values(**values)
    )
    if done.rowcount != 1:
        raise FencedError(f"attempt {one.id} was settled by another")
    return replace(one, **values)


def attempts_of_run(tx: Tx, run_id: int) -> list[Attempt]:
    """Return a run's attempts in order."""
    return [_attempt(row) for row in tx.connection.execute(_TRIED_BY, {"run_id": run_id})]


def attempts_of_incident(tx: Tx, incident_id: int) -> list[Attempt]:
    """Return the attempts of all runs of an incident in order."""
    rows = tx.connection.execute(_TRIED_FOR, {"incident_id": incident_id})
    return [_attempt(row) for row in rows]


def in_flight(tx: Tx, *, besides_run: int) -> list[tuple[str, str, Danger]]:
    """Return (cluster, target, danger) of other runs' effects whose result is not known yet."""
    query = select(attempt.c.cluster, attempt.c.target, attempt.c.danger).where(
        attempt.c.state.in_(UNSETTLED), attempt.c.run_id != besides_run
    )
    return [(cluster, target, Danger(d)) for cluster, target, d in tx.connection.execute(query)]


def uses(
    tx: Tx, *, playbook: str, target: str, since: datetime, but: tuple[int, int]
) -> list[datetime]:
    """Return when earlier episodes last acted on this target by this playbook, oldest first.

    Args:
        tx: The transaction.
        playbook: The playbook's name.
        target: The target's key.
        since: Older ones do not matter any more.
        but: The (incident, episode) that asks: its own attempts are retries, not new uses.
    """
    query = (
        select(func.max(attempt.c.created_at))
        .join(run, run.c.id == attempt.c.run_id)
        .join(incident, incident.c.id == run.c.incident_id)
        .where(
            incident.c.playbook == playbook,
            attempt.c.target == target,
            attempt.c.danger != Danger.A,
            attempt.c.undo_of.is_(None),
            attempt.c.state != AttemptState.NOT_DONE,
            attempt.c.created_at >= since,
            or_(run.c.incident_id != but[0], run.c.episode != but[1]),
        )
        .group_by(run.c.incident_id, run.c.episode)
    )
    return sorted(tx.connection.execute(query).scalars())


def shadow(tx: Tx, one: Run, would_do: Sequence[Mapping[str, Any]]) -> None:
    """Keep what a run in shadow would have done."""
    statement = insert_into(tx, shadow_result).values(
        cluster=one.cluster,
        run_id=one.id,
        would_do=json.dumps(list(would_do), sort_keys=True, default=str),
        recorded_at=tx.now,
    )
    tx.connection.execute(statement.on_conflict_do_nothing())


def shadow_of(tx: Tx, run_id: int) -> list[dict[str, Any]]:
    """Return what that run would have done; empty for one that was not in shadow."""
    query = select(shadow_result.c.would_do).where(shadow_result.c.run_id == run_id)
    body = tx.connection.execute(query).scalar_one_or_none()
    return json.loads(body) if body else []


def note_cleared_without_us(tx: Tx, incident_id: int) -> None:
    """Note on the shadow results of an incident that its alerts ended although nothing was done."""
    runs = select(run.c.id).where(run.c.incident_id == incident_id)
    tx.connection.execute(
        update(shadow_result)
        .where(
            and_(
                shadow_result.c.run_id.in_(runs),
                shadow_result.c.alert_cleared_without_us_at.is_(None),
            )
        )
        .values(alert_cleared_without_us_at=tx.now)
    )
