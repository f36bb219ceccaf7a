"""Modes, scorecards and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, Field

from airwarden.core.durations import Duration
from airwarden.remediation.api.doors import By, Door
from airwarden.remediation.api.orders import Body, Reasoned
from airwarden.remediation.decide.calendar import EVERYWHERE
from airwarden.remediation.decide.promotion import Firing, Judgement
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.operators import Right
from airwarden.remediation.promotion import NewMode, Promotion, Scorecard

_NUMBER = Path(ge=1, lt=2**53)
#: Times before this are no recorded alerts.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class ModeOrder(Reasoned):
    """Setting a mode, or with none taking the switch back; `override` is an admin's reason."""

    mode: Mode | None = None
    cluster: str = Field(default=EVERYWHERE, max_length=128)
    lasts: Duration | None = Field(default=None, alias="for")
    override: str = Field(default="", max_length=1000)


class VerdictOrder(Reasoned):
    """What a person says of what was done, or in shadow would have been."""

    verdict: Judgement
    reference: str = Field(default="", max_length=500)


class ReplayedFiring(Body):
    """One firing of a replay of recorded alerts."""

    at: Annotated[AwareDatetime, Field(ge=_EPOCH)]
    would_do: tuple[Annotated[str, Field(max_length=500)], ...] = Field(default=(), max_length=100)
    verdict: Judgement | None = None
    cleared_at: Annotated[AwareDatetime | None, Field(ge=_EPOCH)] = None


class Replay(Body):
    """The firings of one replay; `reference` says where they are from."""

    cluster: str = Field(max_length=128)
    reference: str = Field(min_length=1, max_length=200)
    firings: tuple[ReplayedFiring, ...] = Field(max_length=1000)


def routes(promotion: Promotion, door: Door) -> APIRouter:
    """Return the routes, each behind the operators' door with the right that it takes."""
    looks, orders, arms = ([door.to(one)] for one in (Right.READ, Right.ORDER, Right.ARM))
    router = APIRouter(prefix="/api/v1")

    @router.get(
        "/playbooks",
        dependencies=looks,
        summary="How every playbook stands, and what it has earned",
    )
    def scorecards(
        cluster: Annotated[str, Query(max_length=128)] = EVERYWHERE,
    ) -> dict[str, Sequence[Scorecard]]:
        return {"playbooks": promotion.scorecards(cluster=cluster)}

    @router.get(
        "/playbooks/{name}", dependencies=looks, summary="The same of one, with its firings"
    )
    def scorecard(
        name: Annotated[str, Path(max_length=64)],
        cluster: Annotated[str, Query(max_length=128)] = EVERYWHERE,
    ) -> dict[str, Sequence[Scorecard]]:
        found = promotion.scorecards(playbook=name, cluster=cluster, firings=True)
        return {"playbooks": found}

    @router.post(
        "/playbooks/{name}/mode", dependencies=orders, summary="Change what a playbook may do"
    )
    def set_mode(
        name: Annotated[str, Path(max_length=64)], body: ModeOrder, by: By
    ) -> dict[str, Sequence[Scorecard]]:
        order = NewMode(name, body.mode, body.reason, body.cluster, body.lasts, body.override)
        found = promotion.set_mode(
            order,
            by=by.name,
            may_raise=lambda: door.operators().require(by, Right.ARM),
            may_override=lambda: door.operators().require(by, Right.OVERRIDE),
        )
        return {"playbooks": found}

    @router.post(
        "/playbooks/{name}/replayed", dependencies=arms, summary="Count the firings of a replay"
    )
    def replayed(name: Annotated[str, Path(max_length=64)], body: Replay, by: By) -> dict[str, int]:
        firings = [
            Firing(
                0,
                one.at,
                one.would_do,
                cleared_at=one.cleared_at,
                judgement=one.verdict,
                replayed=True,
            )
            for one in body.firings
        ]
        kept = promotion.replay(name, body.cluster, firings, by=by.name, reference=body.reference)
        return {"counted": kept}

    @router.post(
        "/incidents/{incident_id}/verdict",
        dependencies=arms,
        summary="Judge what was done, or would have been",
    )
    def verdict(incident_id: Annotated[int, _NUMBER], body: VerdictOrder, by: By) -> Firing:
        return promotion.judge(
            incident_id, body.verdict, by=by.name, reason=body.reason, reference=body.reference
        )

    return router
