"""What the guards read and reserve: switches, locks on targets, budgets, approvals."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, exists, func, or_, select, update

from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal.runs import UNSETTLED, Run
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import (
    approval,
    attempt,
    budget,
    run,
    switch,
    target_lock,
)
from airwarden.remediation.journal.upsert import insert_into

EVERYWHERE = "*"
#: The switch that stops everything; only a person sets it back.
KILL = "kill"


def kill_scope(playbook: str = "") -> str:
    """Return the scope of the kill switch of all playbooks, or of one."""
    return f"{KILL}/{playbook}" if playbook else KILL


def mode_scope(playbook: str, *, for_a_while: bool = False) -> str:
    """Return the scope of a playbook's mode, or of all playbooks' (`*`).

    What holds for a while only has a scope of its own: what it covers is in force again when it ends.
    """
    scope = EVERYWHERE if playbook == EVERYWHERE else f"playbook/{playbook}"
    return f"{scope}/while" if for_a_while else scope


def stops(scope: str) -> bool:
    """Return whether a scope is a kill switch's."""
    return scope == KILL or scope.startswith(f"{KILL}/")


@dataclass(frozen=True, slots=True)
class Switch:
    """A mode set for a scope: `*`, `playbook/NAME`, or a kill switch: `kill`, `kill/NAME`."""

    scope: str
    cluster: str
    mode: Mode
    set_by: str
    reason: str
    set_at: datetime
    until: datetime | None


#: Made once: every look at a run asks it.
_SWITCHES = select(
    switch.c.scope,
    switch.c.cluster,
    switch.c.mode,
    switch.c.set_by,
    switch.c.reason,
    switch.c.set_at,
    switch.c.until,
).where(or_(switch.c.until.is_(None), switch.c.until > bindparam("now", type_=switch.c.until.type)))


def switches(tx: Tx) -> list[Switch]:
    """Return the switches that are in force."""
    rows = tx.connection.execute(_SWITCHES, {"now": tx.now})
    return [Switch(s, c, Mode(m), by, why, at, until) for s, c, m, by, why, at, until in rows]


def set_switch(
    tx: Tx,
    *,
    scope: str,
    cluster: str,
    mode: Mode,
    set_by: str,
    reason: str,
    until: datetime | None = None,
) -> None:
    """Set a switch; its effect is immediate, since guards read it in the intent's transaction."""
    values = {
        "mode": mode,
        "set_by": set_by,
        "reason": reason,
        "set_at": tx.now,
        "until": until,
    }
    statement = insert_into(tx, switch).values(scope=scope, cluster=cluster, **values)
    tx.connection.execute(
        statement.on_conflict_do_update(index_elements=["scope", "cluster"], set_=values)
    )


def clear_switch(tx: Tx, *, scope: str, cluster: str) -> bool:
    """Remove a switch; returns whether there was one."""
    done = tx.connection.execute(
        delete(switch).where(switch.c.scope == scope, switch.c.cluster == cluster)
    )
    return done.rowcount > 0


def lock_holder(tx: Tx, target: str) -> int | None:
    """Return the run that holds the target's lock now.

    It has its time, and outlasts it while it is not known what an effect of the run did to the target:
    a remediator that was away for hours reads that back before anybody else acts there.
    """
    unsettled = exists().where(
        attempt.c.run_id == target_lock.c.run_id,
        attempt.c.target == target,
        attempt.c.state.in_(UNSETTLED),
    )
    query = select(target_lock.c.run_id).where(
        target_lock.c.target == target, or_(target_lock.c.expires_at > tx.now, unsettled)
    )
    return tx.connection.execute(query).scalar_one_or_none()


def lock(tx: Tx, *, target: str, cluster: str, run_id: int, until: datetime) -> bool:
    """Take or extend the lock of a target; returns False where another run has it."""
    if lock_holder(tx, target) not in (None, run_id):
        return False
    values = {"run_id": run_id, "token": tx.token, "taken_at": tx.now, "expires_at": until}
    statement = insert_into(tx, target_lock).values(target=target, cluster=cluster, **values)
    free = or_(target_lock.c.run_id == run_id, target_lock.c.expires_at <= tx.now)
    done = tx.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["target", "cluster"], set_=values, where=free
        ).returning(target_lock.c.run_id)
    )
    return done.first() is not None


def keep_locks(tx: Tx, run_id: int, *, until: datetime) -> None:
    """Let what a run has locked stay locked until then, at least."""
    mine = (target_lock.c.run_id == run_id, target_lock.c.expires_at < until)
    tx.connection.execute(update(target_lock).where(*mine).values(expires_at=until))


def unlock(tx: Tx, run_id: int) -> None:
    """Let go of every target that a run held."""
    tx.connection.execute(delete(target_lock).where(target_lock.c.run_id == run_id))


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """One budget that an effect draws on.

    Attributes:
        scope: For example `target/prod/process/scheduler/hour`.
        cluster: `*` for a budget over all clusters.
        seconds: The window's length.
        limit: Effects that fit into one window.
    """

    scope: str
    cluster: str
    seconds: int
    limit: int


def _window(now: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, tz=now.tzinfo)


def exhausted(tx: Tx, uses: Iterable[BudgetUse]) -> list[BudgetUse]:
    """Return those budgets that have nothing left in the current window."""
    spent: list[BudgetUse] = []
    for use in uses:
        query = select(budget.c.used).where(
            budget.c.cluster == use.cluster,
            budget.c.scope == use.scope,
            budget.c.window_start == _window(tx.now, use.seconds),
        )
        used = tx.connection.execute(query).scalar_one_or_none() or 0
        if used >= use.limit:
            spent.append(use)
    return spent


def reserve(tx: Tx, uses: Sequence[BudgetUse]) -> BudgetUse | None:
    """Draw one effect on each budget, or return the one that has nothing left.

    The caller drops the whole transaction then, so a partial reservation never stays.
    """
    for use in uses:
        start = _window(tx.now, use.seconds)
        key = {"cluster": use.cluster, "scope": use.scope, "window_start": start}
        tx.connection.execute(
            insert_into(tx, budget).values(**key, used=0, lim=use.limit).on_conflict_do_nothing()
        )
        # The limit may have been raised or lowered since the row was made; never below what is used.
        tx.connection.execute(
            update(budget)
            .where(*(budget.c[name] == value for name, value in key.items()))
            .where(budget.c.used <= use.limit)
            .values(lim=use.limit)
        )
        done = tx.connection.execute(
            update(budget)
            .where(*(budget.c[name] == value for name, value in key.items()))
            .where(budget.c.used < use.limit, budget.c.used < budget.c.lim)
            .values(used=budget.c.used + 1)
        )
        if done.rowcount != 1:
            return use
    return None


def budgets_left(tx: Tx) -> dict[tuple[str, str], int]:
    """Return (cluster, scope) → effects left in the current window; single targets are left out.

    A budget that was never drawn on is not there.
    """
    query = select(
        budget.c.cluster, budget.c.scope, budget.c.window_start, budget.c.used, budget.c.lim
    ).where(budget.c.scope.not_like("target/%"), budget.c.window_start > tx.now - timedelta(days=2))
    left: dict[tuple[str, str], int] = {}
    for cluster, scope, start, used, limit in tx.connection.execute(
        query.order_by(budget.c.window_start)
    ):
        seconds = 86400 if scope.endswith("/day") else 3600
        current = start == _window(tx.now, seconds)
        left[cluster, scope] = limit - used if current else limit
    return left


def approvals_waiting(tx: Tx) -> dict[str, int]:
    """Return cluster → approvals that a person can give now."""
    query = (
        select(approval.c.cluster, func.count())
        .where(approval.c.decision.is_(None), approval.c.expires_at > tx.now)
        .group_by(approval.c.cluster)
    )
    return {str(cluster): int(n) for cluster, n in tx.connection.execute(query)}


@dataclass(frozen=True, slots=True)
class Approval:
    """A request for a person's yes, bound to the content of one plan."""

    id: int
    cluster: str
    run_id: int
    plan_hash: str
    nonce: str
    summary: str
    requested_at: datetime
    expires_at: datetime
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


def ask(
    tx: Tx, *, cluster: str, run_id: int, plan_hash: str, summary: str, ttl: timedelta
) -> Approval:
    """Ask for approval of a plan; the same plan of the same run is asked for once."""
    statement = insert_into(tx, approval).values(
        cluster=cluster,
        run_id=run_id,
        plan_hash=plan_hash,
        nonce=secrets.token_urlsafe(24),
        summary=summary,
        requested_at=tx.now,
        expires_at=tx.now + ttl,
    )
    tx.connection.execute(statement.on_conflict_do_nothing())
    found = approval_of(tx, run_id, plan_hash)
    if found is None:
        raise KeyError((run_id, plan_hash))
    return found


def approval_of(tx: Tx, run_id: int, plan_hash: str) -> Approval | None:
    """Return the approval of one plan of one run."""
    query = select(approval).where(approval.c.run_id == run_id, approval.c.plan_hash == plan_hash)
    row = tx.connection.execute(query).first()
    return Approval(*row) if row else None


def approval_by_nonce(tx: Tx, run_id: int, nonce: str) -> Approval | None:
    """Return the request of a run that a nonce stands for, open or not."""
    query = select(approval).where(approval.c.run_id == run_id, approval.c.nonce == nonce)
    row = tx.connection.execute(query).first()
    return Approval(*row) if row else None


def pending(tx: Tx, one: Run) -> Approval | None:
    """Return the request that a run waits with now: the one for its present plan."""
    if one.state.terminal or one.plan_hash is None:
        return None
    found = approval_of(tx, one.id, one.plan_hash)
    return found if found is not None and found.decision is None else None


def last_decision(tx: Tx, incident_id: int) -> Approval | None:
    """Return the request of an incident's runs that was decided last."""
    query = (
        select(approval)
        .join(run, run.c.id == approval.c.run_id)
        .where(run.c.incident_id == incident_id, approval.c.decision.is_not(None))
        .order_by(approval.c.decided_at.desc(), approval.c.id.desc())
        .limit(1)
    )
    row = tx.connection.execute(query).first()
    return Approval(*row) if row else None


def decide(tx: Tx, one: Approval, *, decision: str, by: str, reason: str) -> bool:
    """Record a decision; returns False where one was made before."""
    done = tx.connection.execute(
        update(approval)
        .where(approval.c.id == one.id, approval.c.decision.is_(None))
        .values(decision=decision, decided_by=by, decided_at=tx.now, reason=reason)
    )
    return done.rowcount == 1
