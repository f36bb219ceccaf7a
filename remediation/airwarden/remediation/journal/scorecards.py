"""What a playbook did, or in shadow would have done, and what people said of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
)

from airwarden.core.alerts import Severity
from airwarden.remediation.actions.base import Danger
from airwarden.remediation.decide.promotion import Firing, Judgement, Tally
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode, RunState
from airwarden.remediation.journal import runs
from airwarden.remediation.journal.runs import Run
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import (
    approval,
    attempt,
    incident,
    playbook_version,
    run,
    shadow_result,
)
from airwarden.remediation.journal.upsert import insert_into
from airwarden.remediation.playbook import Playbook

#: What `human_action_ref` of a replayed firing begins with.
_REPLAY = "replay:"


_VERSIONS = select(playbook_version.c.sha256, playbook_version.c.body).where(
    playbook_version.c.name == bindparam("book")
)


def versions(tx: Tx, book: Playbook) -> list[str]:
    """Return the hashes of the versions of a playbook that do what it does now."""
    same: list[str] = []
    for sha, body in tx.connection.execute(_VERSIONS, {"book": book.name}):
        if sha == book.sha256 or Playbook.model_validate_json(body).conduct == book.conduct:
            same.append(sha)
    return same


#: A firing that was in shadow, and when it was decided what to do.
_SHADOW = run.c.state == RunState.SHADOW_DONE
_SHADOW_AT = func.coalesce(shadow_result.c.recorded_at, run.c.started_at)
_SAID_YES = exists().where(approval.c.run_id == run.c.id, approval.c.decision == "approved")


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _that_count(*columns: ColumnElement[Any]) -> Select[tuple[Any, ...]]:
    """Return a query over the runs that count, of the versions `shas` in a `cluster`."""
    of_run = and_(shadow_result.c.run_id == run.c.id, shadow_result.c.cluster == run.c.cluster)
    return (
        select(*columns)
        .select_from(run)
        .outerjoin(shadow_result, of_run)
        .where(
            run.c.playbook_sha.in_(bindparam("shas", expanding=True)),
            run.c.cluster == bindparam("cluster"),
            or_(_SHADOW, run.c.first_effect_at.is_not(None)),
        )
    )


#: Made once: a page asks it for every playbook, and making it takes longer than answering it.
_TALLY = _that_count(
    func.min(case((_SHADOW, _SHADOW_AT))),
    _number(_SHADOW),
    _number(and_(_SHADOW, shadow_result.c.verdict == Judgement.RIGHT)),
    _number(and_(_SHADOW, shadow_result.c.verdict == Judgement.WRONG)),
    _number(shadow_result.c.verdict == Judgement.HARMFUL),
    _number(and_(_SHADOW, shadow_result.c.alert_cleared_without_us_at.is_not(None))),
    _number(and_(_SHADOW, shadow_result.c.human_action_ref.startswith(_REPLAY))),
    _number(and_(_SAID_YES, run.c.state == RunState.SUCCEEDED)),
)


def tally(tx: Tx, shas: Collection[str], cluster: str) -> Tally:
    """Count the runs of these versions that count. Harm counts whoever did it: in shadow, approved, or alone."""
    chosen = {"shas": list(shas), "cluster": cluster}
    return Tally(*tx.connection.execute(_TALLY, chosen).one())


#: What makes a `Firing`.
_FIRING: tuple[ColumnElement[Any], ...] = (
    run.c.id,
    run.c.incident_id,
    run.c.state,
    run.c.first_effect_at,
    _SHADOW_AT.label("shadow_at"),
    shadow_result.c.would_do,
    shadow_result.c.alert_cleared_without_us_at,
    shadow_result.c.human_action_ref,
    shadow_result.c.verdict,
    _SAID_YES.label("approved"),
)


def firings(tx: Tx, shas: Collection[str], cluster: str, *, newest: int) -> list[Firing]:
    """Return the newest runs of these versions that count, the latest first."""
    query = _that_count(*_FIRING).order_by(run.c.id.desc()).limit(newest)
    rows = tx.connection.execute(query, {"shas": list(shas), "cluster": cluster}).all()
    done = _done(tx, [row.id for row in rows])
    return [_firing(row, done) for row in rows]


def firing(tx: Tx, one: Run) -> Firing:
    """Return a run that counts."""
    query = _that_count(*_FIRING).where(run.c.id == one.id)
    chosen = {"shas": [one.playbook_sha], "cluster": one.cluster}
    return _firing(tx.connection.execute(query, chosen).one(), _done(tx, [one.id]))


def _done(tx: Tx, run_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return what runs did, in order."""
    query = (
        select(attempt.c.run_id, attempt.c.summary)
        .where(
            attempt.c.run_id.in_(run_ids),
            attempt.c.state == AttemptState.CONFIRMED,
            attempt.c.undo_of.is_(None),
        )
        .order_by(attempt.c.id)
    )
    found: dict[int, list[str]] = {}
    for run_id, summary in tx.connection.execute(query):
        found.setdefault(run_id, []).append(summary)
    return found


def _firing(row: Any, done: Mapping[int, Sequence[str]]) -> Firing:
    acted = row.state != RunState.SHADOW_DONE
    would_do = [str(one.get("summary", "")) for one in json.loads(row.would_do or "[]")]
    return Firing(
        incident_id=row.incident_id,
        at=(row.first_effect_at if acted else None) or row.shadow_at,
        would_do=tuple(done.get(row.id, ()) if acted else would_do),
        acted=acted,
        approved=bool(row.approved),
        healed=row.state == RunState.SUCCEEDED,
        cleared_at=row.alert_cleared_without_us_at,
        judgement=Judgement(row.verdict) if row.verdict else None,
        replayed=(row.human_action_ref or "").startswith(_REPLAY),
    )


def judge(tx: Tx, one: Run, judgement: Judgement, reference: str) -> None:
    """Keep what a person says of a run; a later word replaces an earlier one."""
    values = {"verdict": judgement, **({"human_action_ref": reference} if reference else {})}
    kept = insert_into(tx, shadow_result).values(
        cluster=one.cluster, run_id=one.id, would_do="[]", recorded_at=tx.now, **values
    )
    tx.connection.execute(
        kept.on_conflict_do_update(index_elements=["cluster", "run_id"], set_=values)
    )


def replay(
    tx: Tx, book: Playbook, danger: Danger, cluster: str, one: Firing, *, key: str, reference: str
) -> bool:
    """Keep a firing of a replay as an incident that is over; False where it is there already."""
    known = exists().where(incident.c.cluster == cluster, incident.c.correlation_key == key)
    if tx.connection.execute(select(known)).scalar_one():
        return False
    runs.pin_playbook(tx, book, Mode.SHADOW, danger)
    incident_id = tx.connection.execute(
        insert(incident)
        .values(
            cluster=cluster,
            correlation_key=key,
            playbook=book.name,
            title=f"Replayed: {book.title}",
            state=IncidentState.CLOSED,
            severity=Severity.NONE,
            mode=Mode.SHADOW,
            labels=json.dumps({"replayed": "true"}),
            reason=f"a replayed firing ({reference})",
            dedup_key=f"airwarden/{key}"[:255],
            **dict.fromkeys(("started_at", "opened_at", "updated_at", "ended_at"), one.at),
        )
        .returning(incident.c.id)
    ).scalar_one()
    begun = runs.begin(
        tx,
        cluster=cluster,
        incident_id=incident_id,
        playbook_sha=book.sha256,
        generation=1,
        mode=Mode.SHADOW,
        state=RunState.SHADOW_DONE,
        **dict.fromkeys(("started_at", "fault_since", "deadline", "ended_at", "next_at"), one.at),
    )
    tx.connection.execute(
        insert(shadow_result).values(
            cluster=cluster,
            run_id=begun.id,
            would_do=json.dumps([{"summary": summary} for summary in one.would_do]),
            recorded_at=one.at,
            alert_cleared_without_us_at=one.cleared_at,
            human_action_ref=f"{_REPLAY} {reference}",
            verdict=one.judgement,
        )
    )
    return True
