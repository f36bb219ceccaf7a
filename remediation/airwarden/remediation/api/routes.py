"""The routes. Handlers are plain functions run in threads; only the intake reads asynchronously."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from airwarden.core.durations import Duration
from airwarden.core.errors import (
    AirwardenError,
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    WrongInputError,
)
from airwarden.remediation.api.body_limit import BodyLimit
from airwarden.remediation.api.intake_gate import IntakeGate, TooLargeError
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.intake import webhook_schema
from airwarden.remediation.journal.incidents import Wanted
from airwarden.remediation.journal.rails import EVERYWHERE
from airwarden.remediation.operations import Operations

_log = structlog.get_logger(__name__)

#: Where large bodies are taken, as a stream and only with a token.
INTAKE = "/api/v1/alerts"
#: Bytes of any other request's body; the framework reads those before it looks at the token.
MAX_COMMAND = 64 * 1024


@dataclass(frozen=True, slots=True)
class Edge:
    """What the routes stand on.

    Attributes:
        webhook_token: What Alertmanager has to show.
        api_token: What operators have to show.
        alive: Why the loops are dead, or empty.
        ready: Why no alert should be sent here now, or empty.
        reload: Reads the configuration anew and returns the settings that need a restart; raises
            WrongInputError.
        runbook: Returns an alert's runbook as Markdown; raises NotFoundError.
    """

    gate: IntakeGate
    operations: Operations
    registry: CollectorRegistry
    webhook_token: SecretStr
    api_token: SecretStr
    alive: Callable[[], str]
    ready: Callable[[], str]
    reload: Callable[[], Sequence[str]]
    runbook: Callable[[str], str]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Reasoned(_Body):
    """A decision with its reason."""

    reason: str = Field(default="", max_length=1000)


class Listing(_Body):
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


class Switching(Reasoned):
    """Stopping or allowing effects, in one cluster or everywhere."""

    cluster: str = Field(default=EVERYWHERE, max_length=128)


class Maintenance(Switching):
    """Beginning a maintenance window (`for`) or ending it (`end`)."""

    lasts: Duration | None = Field(default=None, alias="for")
    end: bool = False


def _bearer(token: SecretStr) -> Callable[[Request, str], None]:
    def check(request: Request, authorization: Annotated[str, Header()] = "") -> None:
        _require(token, request, authorization)

    return check


def _require(token: SecretStr, request: Request, authorization: str) -> None:
    expected = token.get_secret_value().encode()
    scheme, _, shown = authorization.partition(" ")
    # Compared in constant time, also when the scheme is wrong.
    same = hmac.compare_digest(shown.strip().encode(), expected)
    if not (same and scheme.lower() == "bearer" and expected):
        _log.warning("request refused: no valid token", path=request.url.path)
        raise HTTPException(401, "a valid bearer token is required", {"WWW-Authenticate": "Bearer"})


def _actor(x_airwarden_actor: Annotated[str, Header(max_length=200)] = "operator") -> str:
    return "".join(c for c in x_airwarden_actor if c.isprintable()).strip() or "operator"


Actor = Annotated[str, Depends(_actor)]


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
    app.include_router(_incidents(edge))
    app.include_router(_switches(edge))
    app.include_router(_plain(edge))
    app.add_exception_handler(AirwardenError, _answer)
    app.add_middleware(BodyLimit, streaming=INTAKE, limit=MAX_COMMAND)
    return app


def _answer(_request: Request, error: Exception) -> JSONResponse:
    """Turn our errors into statuses: what to do next is the class of the error."""
    status = 500
    headers: dict[str, str] = {}
    match error:
        case TooLargeError():
            status = 413
        case WrongInputError():
            status = 400
        case NotFoundError():
            status = 404
        case ConflictError():
            status = 409
        case RejectedError():
            status = 403
        case UnavailableError(retry_after=after):
            status, headers = 503, {"Retry-After": str(int(after or 5))}
    return JSONResponse({"detail": str(error)}, status, headers)


def _intake(edge: Edge) -> APIRouter:
    router = APIRouter(prefix="/api/v1")

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
        _require(edge.webhook_token, request, request.headers.get("authorization", ""))
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdigit() else None
        return JSONResponse(await edge.gate.take(request.stream(), size))

    return router


def _incidents(edge: Edge) -> APIRouter:
    router = APIRouter(dependencies=[Depends(_bearer(edge.api_token))])
    do = edge.operations

    @router.get("/api/v1/incidents")
    def incidents(wanted: Annotated[Listing, Query()]) -> dict[str, list[IncidentView]]:
        return {"incidents": list(do.incidents(wanted.asked()))}

    @router.get("/api/v1/incidents/{incident_id}")
    def incident(incident_id: int) -> IncidentView:
        return do.incident(_number(incident_id))

    @router.get("/api/v1/incidents/{incident_id}/explain")
    def explain(incident_id: int) -> Any:
        found = do.explain(_number(incident_id))
        return {"explanation": found, "text": found.text()}

    @router.post("/api/v1/incidents/{incident_id}/approve")
    def approve(incident_id: int, body: Reasoned, by: Actor) -> IncidentView:
        return do.decide(_number(incident_id), decision="approved", by=by, reason=body.reason)

    @router.post("/api/v1/incidents/{incident_id}/deny")
    def deny(incident_id: int, body: Reasoned, by: Actor) -> IncidentView:
        return do.decide(_number(incident_id), decision="denied", by=by, reason=body.reason)

    @router.post("/api/v1/incidents/{incident_id}/acknowledge")
    def acknowledge(incident_id: int, body: Reasoned, by: Actor) -> IncidentView:
        return do.acknowledge(_number(incident_id), by=by, reason=body.reason)

    @router.post("/api/v1/incidents/{incident_id}/close")
    def close(incident_id: int, body: Reasoned, by: Actor) -> IncidentView:
        return do.close(_number(incident_id), by=by, reason=body.reason)

    return router


def _switches(edge: Edge) -> APIRouter:
    router = APIRouter(dependencies=[Depends(_bearer(edge.api_token))])
    do = edge.operations

    @router.get("/api/v1/status")
    def status() -> Any:
        return do.status()

    @router.post("/api/v1/pause")
    def pause(body: Switching, by: Actor) -> Any:
        return do.pause(by=by, reason=body.reason, cluster=body.cluster)

    @router.post("/api/v1/resume")
    def resume(body: Switching, by: Actor) -> Any:
        return do.resume(by=by, reason=body.reason, cluster=body.cluster)

    @router.post("/api/v1/maintenance")
    def maintenance(body: Maintenance, by: Actor) -> Any:
        if body.end:
            return do.end_maintenance(by=by, cluster=body.cluster)
        lasts = body.lasts or timedelta(0)
        return do.start_maintenance(by=by, reason=body.reason, lasts=lasts, cluster=body.cluster)

    @router.post("/-/reload")
    def reload() -> dict[str, Any]:
        return {"status": "reloaded", "restart_needed_for": list(edge.reload())}

    return router


def _number(incident_id: int) -> int:
    if not 0 < incident_id < 2**53:
        raise NotFoundError(f"there is no incident {incident_id}")
    return incident_id


def _plain(edge: Edge) -> APIRouter:
    router = APIRouter()

    @router.get("/metrics", response_class=Response)
    def metrics() -> Response:
        return Response(generate_latest(edge.registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/runbooks/{page}", response_class=PlainTextResponse)
    def runbook(page: str) -> PlainTextResponse:
        text = edge.runbook(page.removesuffix(".md"))
        return PlainTextResponse(text, media_type="text/markdown")

    @router.get("/healthz", response_class=PlainTextResponse)
    def healthz() -> PlainTextResponse:
        why = edge.alive()
        return PlainTextResponse(why or "ok", 503 if why else 200)

    @router.get("/readyz", response_class=PlainTextResponse)
    def readyz() -> PlainTextResponse:
        why = edge.alive() or edge.ready()
        return PlainTextResponse(why or "ok", 503 if why else 200)

    return router
