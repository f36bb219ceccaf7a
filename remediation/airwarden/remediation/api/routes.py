"""The routes. Handlers are plain functions run in threads; only the intake reads asynchronously."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import AwareDatetime, Field, SecretStr

from airwarden.core.durations import Duration
from airwarden.core.errors import (
    AirwardenError,
    NotFoundError,
    UnavailableError,
    WrongInputError,
)
from airwarden.remediation.api import by_hand, modes, orders, signed
from airwarden.remediation.api.body_limit import BodyLimit
from airwarden.remediation.api.doors import By, Door, bearer
from airwarden.remediation.api.intake_gate import IntakeGate
from airwarden.remediation.api.orders import Body, Reasoned
from airwarden.remediation.by_hand import ByHand
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.intake import webhook_schema
from airwarden.remediation.journal.incidents import Wanted
from airwarden.remediation.operations import Operations
from airwarden.remediation.operators import Operators, Right
from airwarden.remediation.promotion import Promotion
from airwarden.remediation.silencing import Silencing
from airwarden.remediation.windowing import Windowing

#: Where large bodies are taken, as a stream and only with a token.
INTAKE = "/api/v1/alerts"
#: Bytes of any other request's body; the framework reads those before it looks at the token.
MAX_COMMAND = 64 * 1024


@dataclass(frozen=True, slots=True)
class Edge:
    """What the routes stand on.

    Attributes:
        webhook_token: What Alertmanager has to show.
        api_token: What operators without a token of their own have to show.
        operators: Those with one, as they are known now.
        metrics_open: Whether `/metrics` asks nobody for a token: on loopback only.
        rate: Requests of one operator a second, over a longer time.
        elapsed: Seconds of a clock that only goes forward.
        signed: What the doors for those who sign stand on.
        alive: Why the loops are dead, or empty.
        ready: Why no alert should be sent here now, or empty.
        reload: Reads the configuration anew and returns the settings that need a restart; raises
            WrongInputError.
        runbook: Returns an alert's runbook as Markdown; raises NotFoundError.
    """

    gate: IntakeGate
    operations: Operations
    silencing: Silencing
    windowing: Windowing
    promotion: Promotion
    by_hand: ByHand
    operators: Callable[[], Operators]
    metrics_open: bool
    rate: float
    elapsed: Callable[[], float]
    signed: signed.SignedEdge
    registry: CollectorRegistry
    webhook_token: SecretStr
    api_token: SecretStr
    alive: Callable[[], str]
    ready: Callable[[], str]
    reload: Callable[[], Sequence[str]]
    runbook: Callable[[str], str]


class Decision(Reasoned):
    """A decision about a plan: `nonce` names the request that was shown, and is good for one."""

    nonce: str = Field(default="", max_length=64)


class SilenceOrder(Reasoned):
    """For how long an incident's alerts are silenced."""

    lasts: Duration = Field(default=timedelta(hours=1), alias="for")


class Listing(Body):
    """Which incidents to list; `since` is a moment with its zone."""

    limit: int = Field(default=100, ge=1, le=1000)
    before: int = Field(default=0, ge=0, le=2**53)
    cluster: str = Field(default="", max_length=128)
    playbook: str = Field(default="", max_length=64)
    state: list[IncidentState] = Field(default_factory=list, max_length=20)
    since: AwareDatetime | None = None
    open: bool = False

    def asked(self) -> Wanted:
        """Return it as the journal takes it."""
        return Wanted(
            open_only=self.open,
            states=tuple(self.state),
            cluster=self.cluster,
            playbook=self.playbook,
            since=self.since,
            limit=self.limit,
            before=self.before,
        )


def build_app(edge: Edge, version: str) -> FastAPI:
    """Return the application."""
    # No pages about the API: they would tell its shape to whoever has no token.
    app = FastAPI(
        title="Airwarden remediator",
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.include_router(_intake(edge))
    door = Door(edge.api_token, edge.operators, edge.elapsed, edge.rate)
    app.include_router(_incidents(edge, door))
    app.include_router(orders.routes(edge.operations, edge.windowing, door))
    app.include_router(modes.routes(edge.promotion, door))
    app.include_router(by_hand.routes(edge.by_hand, door))
    app.include_router(_reload(edge, door))
    app.include_router(signed.routes(edge.signed))
    app.include_router(_plain(edge, door))
    app.add_exception_handler(AirwardenError, _answer)
    app.add_exception_handler(RequestValidationError, _invalid)
    larger = dict.fromkeys((signed.PAGERDUTY, signed.SLACK), signed.MOST)
    app.add_middleware(BodyLimit, streaming={INTAKE}, limit=MAX_COMMAND, larger=larger)
    return app


def _invalid(_request: Request, error: Exception) -> Response:
    """Say what is wrong with which field, without what was sent: that may not even be text."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these
    faults = [{key: one[key] for key in ("type", "loc", "msg")} for one in error.errors()]
    # In ASCII: a lone surrogate in a key's name cannot be written as UTF-8.
    return Response(json.dumps({"detail": faults}), 422, media_type="application/json")


def _answer(_request: Request, error: Exception) -> JSONResponse:
    """Turn our errors into statuses: what to do next is the class of the error."""
    assert isinstance(error, AirwardenError)  # noqa: S101 - it is registered for these
    headers = {}
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = str(int(error.retry_after or 5))
    return JSONResponse({"detail": str(error)}, error.http_status, headers)


def _intake(edge: Edge) -> APIRouter:
    router = APIRouter(prefix="/api/v1")
    door = bearer(edge.webhook_token)

    # Hundreds come in a second: what a dependency and a response model cost is saved here.
    @router.post(
        "/alerts",
        summary="Take a delivery of Alertmanager (webhook version 4)",
        response_class=JSONResponse,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": webhook_schema()}},
            }
        },
    )
    async def alerts(request: Request) -> Response:
        door(request, request.headers.get("authorization", ""))
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdigit() else None
        return JSONResponse(await edge.gate.take(request.stream(), size))

    return router


def _incidents(edge: Edge, door: Door) -> APIRouter:
    router = APIRouter()
    do = edge.operations
    looks, orders, approves = ([door.to(one)] for one in (Right.READ, Right.ORDER, Right.APPROVE))

    @router.get("/api/v1/incidents", dependencies=looks, summary="List incidents, newest first")
    def incidents(wanted: Annotated[Listing, Query()]) -> dict[str, list[IncidentView]]:
        return {"incidents": list(do.incidents(wanted.asked()))}

    @router.get("/api/v1/incidents/{incident_id}", dependencies=looks, summary="One incident")
    def incident(incident_id: int) -> IncidentView:
        return do.incident(_number(incident_id))

    @router.get(
        "/api/v1/incidents/{incident_id}/explain",
        dependencies=looks,
        summary="Its story, as data and as text",
    )
    def explain(incident_id: int) -> Any:
        found = do.explain(_number(incident_id))
        return {"explanation": found, "text": found.text()}

    @router.post(
        "/api/v1/incidents/{incident_id}/approve",
        dependencies=approves,
        summary="Approve the plan that it waits with",
    )
    def approve(incident_id: int, body: Decision, by: By) -> IncidentView:
        do.incident(_number(incident_id))
        if not body.nonce:
            raise WrongInputError(
                "is missing: it says which plan is approved",
                place="nonce",
                hint="the incident's approval has it; airwarden approve sends it",
            )
        return do.decide(
            incident_id,
            decision="approved",
            by=by.name,
            reason=body.reason,
            nonce=body.nonce,
        )

    @router.post(
        "/api/v1/incidents/{incident_id}/deny",
        dependencies=orders,
        summary="Deny it; a person is called instead",
    )
    def deny(incident_id: int, body: Decision, by: By) -> IncidentView:
        return do.decide(
            _number(incident_id),
            decision="denied",
            by=by.name,
            reason=body.reason,
            nonce=body.nonce or None,
        )

    @router.post(
        "/api/v1/incidents/{incident_id}/acknowledge", dependencies=orders, summary="Take it over"
    )
    def acknowledge(incident_id: int, body: Reasoned, by: By) -> IncidentView:
        return do.acknowledge(_number(incident_id), by=by.name, reason=body.reason)

    @router.post(
        "/api/v1/incidents/{incident_id}/release", dependencies=orders, summary="Give it back"
    )
    def release(incident_id: int, body: Reasoned, by: By) -> IncidentView:
        return do.release(_number(incident_id), by=by.name, reason=body.reason)

    @router.post(
        "/api/v1/incidents/{incident_id}/silence",
        dependencies=orders,
        summary="Silence its alerts in Alertmanager",
    )
    def silence(incident_id: int, body: SilenceOrder, by: By) -> IncidentView:
        return edge.silencing.silence(
            _number(incident_id), by=by.name, reason=body.reason, lasts=body.lasts
        )

    @router.post(
        "/api/v1/incidents/{incident_id}/close",
        dependencies=orders,
        summary="End it, whatever its alerts say",
    )
    def close(incident_id: int, body: Reasoned, by: By) -> IncidentView:
        return do.close(_number(incident_id), by=by.name, reason=body.reason)

    return router


def _reload(edge: Edge, door: Door) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/-/reload", dependencies=[door.to(Right.ORDER)], summary="Read the configuration anew"
    )
    def reload() -> dict[str, Any]:
        return {"status": "reloaded", "restart_needed_for": list(edge.reload())}

    return router


def _number(incident_id: int) -> int:
    if not 0 < incident_id < 2**53:
        raise NotFoundError(f"there is no incident {incident_id}")
    return incident_id


def _plain(edge: Edge, door: Door) -> APIRouter:
    router = APIRouter()
    looks = [] if edge.metrics_open else [door.to(Right.READ)]

    @router.get("/metrics", response_class=Response, dependencies=looks, summary="Its own metrics")
    def metrics() -> Response:
        return Response(generate_latest(edge.registry), media_type=CONTENT_TYPE_LATEST)

    @router.get(
        "/runbooks/{page}",
        response_class=PlainTextResponse,
        summary="An alert's runbook, as Markdown",
    )
    def runbook(page: str) -> PlainTextResponse:
        text = edge.runbook(page.removesuffix(".md"))
        return PlainTextResponse(text, media_type="text/markdown")

    @router.get("/healthz", response_class=PlainTextResponse, summary="Whether it lives")
    def healthz() -> PlainTextResponse:
        why = edge.alive()
        return PlainTextResponse(why or "ok", 503 if why else 200)

    @router.get(
        "/readyz", response_class=PlainTextResponse, summary="Whether alerts can be sent here"
    )
    def readyz() -> PlainTextResponse:
        why = edge.alive() or edge.ready()
        return PlainTextResponse(why or "ok", 503 if why else 200)

    return router
