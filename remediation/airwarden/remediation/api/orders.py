"""The operators' orders: the kill switch, modes, windows, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator

from airwarden.core.durations import Duration
from airwarden.core.errors import NotFoundError, WrongInputError
from airwarden.remediation.api.doors import By, Door
from airwarden.remediation.decide.calendar import EVERYWHERE, Kind, Window, zone
from airwarden.remediation.operations import Operations
from airwarden.remediation.operators import Right
from airwarden.remediation.windowing import Listed, Windowing


class Body(BaseModel):
    """An order; unknown fields are refused, and so is a character that PostgreSQL cannot keep."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_zero(cls, value: Any) -> Any:
        texts = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(one, str) and "\0" in one for one in texts):
            raise ValueError("must not hold the character U+0000")
        return value


class Reasoned(Body):
    """An order with its reason."""

    reason: str = Field(default="", max_length=1000)


class Switching(Reasoned):
    """Stopping or allowing effects: of all playbooks or one, in one cluster or everywhere."""

    cluster: str = Field(default=EVERYWHERE, max_length=128)
    playbook: str = Field(default="", max_length=64)


class Maintenance(Reasoned):
    """Beginning a maintenance window (`for`), or ending those of a cluster or one by its number."""

    cluster: str = Field(default=EVERYWHERE, max_length=128)
    lasts: Duration | None = Field(default=None, alias="for")
    end: bool = False
    id: int = Field(default=0, ge=0, lt=2**53)


class NewWindow(Reasoned):
    """A window that begins now (without `starts`), later, or again and again (`repeats`)."""

    kind: Kind
    lasts: Duration = Field(alias="for")
    starts: datetime | None = None
    repeats: str = Field(default="", max_length=400)
    timezone: str = Field(default="UTC", max_length=64)
    until: datetime | None = None
    cluster: str = Field(default=EVERYWHERE, max_length=128)
    playbooks: tuple[str, ...] = Field(default=(), max_length=100)


def routes(do: Operations, windowing: Windowing, door: Door) -> APIRouter:
    """Return the routes, each behind the operators' door with the right that it takes."""
    looks, orders, arms = ([door.to(one)] for one in (Right.READ, Right.ORDER, Right.ARM))
    router = APIRouter(prefix="/api/v1")

    @router.get("/status", dependencies=looks, summary="How the remediator stands")
    def status() -> Any:
        return do.status()

    @router.post(
        "/pause", dependencies=orders, summary="Stop every remedy, or those of one playbook"
    )
    def pause(body: Switching, by: By) -> Any:
        return do.pause(
            by=by.name, reason=body.reason, cluster=body.cluster, playbook=body.playbook
        )

    @router.post("/resume", dependencies=arms, summary="Let them act again")
    def resume(body: Switching, by: By) -> Any:
        return do.resume(
            by=by.name, reason=body.reason, cluster=body.cluster, playbook=body.playbook
        )

    @router.post("/maintenance", dependencies=orders, summary="Begin or end a maintenance window")
    def maintenance(body: Maintenance, by: By) -> dict[str, Sequence[Listed]]:
        if body.end and body.id:
            if windowing.kind_of(body.id) is not Kind.MAINTENANCE:
                raise NotFoundError(f"there is no maintenance window {body.id}")
            return {"ended": [windowing.end(body.id, by=by.name)]}
        if body.end:
            return {"ended": windowing.end_maintenance(by=by.name, cluster=body.cluster)}
        begun = windowing.begin(
            Kind.MAINTENANCE,
            by=by.name,
            lasts=body.lasts or timedelta(0),
            reason=body.reason,
            cluster=body.cluster,
        )
        return {"begun": [begun]}

    @router.get("/windows", dependencies=looks, summary="The windows that are open or will be")
    def windows(
        kind: Annotated[Kind | None, Query()] = None,
    ) -> dict[str, Sequence[Listed]]:
        return {"windows": windowing.listed(kind=kind)}

    @router.post("/windows", dependencies=orders, summary="Add a window")
    def add_window(body: NewWindow, by: By) -> Listed:
        return _add(windowing, body, by.name)

    @router.post(
        "/windows/{window_id}/end",
        dependencies=orders,
        summary="End a window, with its repetitions",
    )
    def end_window(window_id: Annotated[int, Path(ge=0, lt=2**53)], by: By) -> Listed:
        if windowing.kind_of(window_id) in (Kind.FREEZE, Kind.QUIET):
            door.operators().require(by, Right.ARM)
        return windowing.end(window_id, by=by.name)

    return router


def _add(windowing: Windowing, body: NewWindow, by: str) -> Listed:
    if body.starts is None:
        if body.repeats:
            raise WrongInputError(
                "is missing: a window that repeats has a first time", place="starts"
            )
        return windowing.begin(
            body.kind,
            by=by,
            lasts=body.lasts,
            reason=body.reason,
            cluster=body.cluster,
            playbooks=body.playbooks,
        )
    until = body.until
    if until is not None and until.tzinfo is None:
        until = until.replace(tzinfo=zone(body.timezone))
    return windowing.add(
        Window(
            kind=body.kind,
            starts=body.starts,
            lasts=body.lasts,
            tz=body.timezone,
            rrule=body.repeats,
            until=until,
            cluster=body.cluster,
            playbooks=body.playbooks,
            reason=body.reason.strip(),
            set_by=by,
        )
    )
