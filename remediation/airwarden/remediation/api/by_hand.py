"""Running a playbook by hand: rehearsed, or begun with the plan that was shown."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from airwarden.core.durations import Duration
from airwarden.core.errors import WrongInputError
from airwarden.remediation.api.doors import By, Door
from airwarden.remediation.api.orders import Reasoned
from airwarden.remediation.by_hand import ByHand, Order
from airwarden.remediation.operators import Right

#: A label's name as Prometheus takes it.
_LABEL = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$")]
_VALUE = Annotated[str, Field(min_length=1, max_length=512)]


class RunOrder(Reasoned):
    """What to run a playbook on: `target` are labels; `plan` is the dry run's that was shown.

    `name` is a target's bare name, for a playbook that one label tells apart.
    """

    cluster: str = Field(default="", max_length=128)
    target: dict[_LABEL, _VALUE] = Field(default_factory=dict, max_length=20)
    name: str = Field(default="", max_length=512)
    since: Duration = timedelta(0)
    dry_run: bool = False
    plan: str = Field(default="", max_length=64)


def routes(by_hand: ByHand, door: Door) -> APIRouter:
    """Return the route; whoever gives orders may rehearse, and begin who may approve."""
    router = APIRouter(prefix="/api/v1")

    @router.post(
        "/playbooks/{name}/run",
        dependencies=[door.to(Right.ORDER)],
        summary="Run a playbook by hand, or show what it would do",
    )
    def run(name: Annotated[str, Path(max_length=64)], body: RunOrder, by: By) -> dict[str, Any]:
        if any("\0" in value for value in body.target.values()):
            raise WrongInputError("must not hold the character U+0000", place="target")
        target = by_hand.named(name, body.target, body.name)
        order = Order(name, target, body.cluster, body.since)
        if body.dry_run:
            found = asdict(by_hand.rehearse(order))
            del found["keys"]
            return {"rehearsal": found}
        door.operators().require(by, Right.APPROVE)
        view = by_hand.begin(order, plan=body.plan, by=by.name, reason=body.reason)
        return {"incident": view}

    return router
