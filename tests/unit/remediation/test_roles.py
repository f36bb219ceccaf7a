"""Every route of the remediator says who may use it; who may not is told what it takes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from airwarden.remediation.acknowledging import Acknowledging
from airwarden.remediation.api.doors import Entrance
from airwarden.remediation.api.routes import Edge, build_app
from airwarden.remediation.api.signed import SignedEdge
from airwarden.remediation.by_hand import ByHand
from airwarden.remediation.calls import InlineCalls
from airwarden.remediation.chat_orders import ChatOrders
from airwarden.remediation.composition import Signing
from airwarden.remediation.operations import Operations
from airwarden.remediation.operators import Operator, Operators, Right, Role, digest
from airwarden.remediation.promotion import Promotion
from airwarden.remediation.silencing import Silencing
from airwarden.remediation.windowing import Windowing
from support.engine import Bench

pytestmark = pytest.mark.thorough

LOOK, ORDER, ARM, APPROVE = Right.READ, Right.ORDER, Right.ARM, Right.APPROVE
#: Every route behind the operators' door, with what it takes.
RIGHTS = {
    "GET /api/v1/incidents": LOOK,
    "GET /api/v1/incidents/{incident_id}": LOOK,
    "GET /api/v1/incidents/{incident_id}/explain": LOOK,
    "POST /api/v1/incidents/{incident_id}/approve": APPROVE,
    "POST /api/v1/incidents/{incident_id}/deny": ORDER,
    "POST /api/v1/incidents/{incident_id}/acknowledge": ORDER,
    "POST /api/v1/incidents/{incident_id}/release": ORDER,
    "POST /api/v1/incidents/{incident_id}/close": ORDER,
    "POST /api/v1/incidents/{incident_id}/silence": ORDER,
    "POST /api/v1/incidents/{incident_id}/verdict": ARM,
    "GET /api/v1/status": LOOK,
    "POST /api/v1/pause": ORDER,
    "POST /api/v1/resume": ARM,
    "POST /api/v1/maintenance": ORDER,
    "GET /api/v1/windows": LOOK,
    "POST /api/v1/windows": ORDER,
    "POST /api/v1/windows/{window_id}/end": ORDER,
    "GET /api/v1/playbooks": LOOK,
    "GET /api/v1/playbooks/{name}": LOOK,
    "POST /api/v1/playbooks/{name}/mode": ORDER,
    "POST /api/v1/playbooks/{name}/replayed": ARM,
    "POST /api/v1/playbooks/{name}/run": ORDER,
    "POST /-/reload": ORDER,
    "GET /metrics": LOOK,
}
#: What has another door, or none, and why.
OTHERS = {
    "POST /api/v1/alerts": "Alertmanager's token",
    "POST /api/v1/pagerduty": "PagerDuty's signature",
    "POST /api/v1/slack": "Slack's signature",
    "GET /runbooks/{page}": "open: general text, reached from pages and messages",
    "GET /healthz": "open: a supervisor's probe",
    "GET /readyz": "open: a supervisor's probe",
}
TOKENS = {role: f"{role}-{'t' * 24}" for role in Role}
PIPELINE = "pipeline-" + "p" * 24
COMMON = "common-" + "c" * 24


@pytest.fixture
def bench(memory_path: Path) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{memory_path / 'journal.db'}")
    yield made
    made.close()


def app_of(bench: Bench, rate: float = 100.0) -> FastAPI:
    known = {digest(token): Operator(f"the-{role}", role=role) for role, token in TOKENS.items()}
    known[digest(PIPELINE)] = Operator("deploys", person=False, role=Role.ADMIN)
    people = Operators(known)
    operations = Operations(bench.parts, lambda: None)
    silencing = Silencing(bench.journal, lambda: bench.alertmanager, InlineCalls(), lambda: None)
    signed = SignedEdge(
        signing=Signing,
        acknowledging=Acknowledging(bench.journal, operations, lambda: None),
        orders=ChatOrders(operations, silencing, lambda: people),
        whisper=lambda _one: None,
        now=lambda: bench.clock.now().timestamp(),
        elapsed=bench.clock.elapsed,
    )
    edge = Edge(
        gate=None,  # type: ignore[arg-type]
        operations=operations,
        silencing=silencing,
        windowing=Windowing(bench.parts, lambda: None),
        promotion=Promotion(bench.parts, lambda: None),
        by_hand=ByHand(bench.parts, lambda: None),
        operators=lambda: people,
        metrics_open=False,
        rate=rate,
        elapsed=bench.clock.elapsed,
        signed=signed,
        registry=CollectorRegistry(),
        webhook_token=SecretStr("webhook-" + "w" * 24),
        api_token=SecretStr(COMMON),
        alive=lambda: "",
        ready=lambda: "",
        reload=list,
        runbook=str,
    )
    return build_app(edge, "0")


def send(app: FastAPI, method: str, path: str, authorization: str = "") -> httpx.Response:
    """Send one request to the application, without a server."""

    async def go() -> httpx.Response:
        way = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=way, base_url="http://here") as http:
            headers = {"Authorization": authorization.encode()} if authorization else {}
            return await http.request(method, path, headers=headers)  # type: ignore[arg-type]

    return asyncio.run(go())


def every(routes: Iterable[object]) -> Iterator[APIRoute]:
    """Return all routes, those of included routers too; any other kind has no place here."""
    for one in routes:
        within = getattr(one, "original_router", None)
        if within is not None:
            yield from every(within.routes)
        else:
            assert isinstance(one, APIRoute)
            yield one


def entrances(app: FastAPI) -> dict[str, Right | None]:
    found: dict[str, Right | None] = {}
    for route in every(app.routes):
        ways = [one.call for one in route.dependant.dependencies if isinstance(one.call, Entrance)]
        assert len(ways) <= 1
        for method in route.methods or ():
            found[f"{method} {route.path}"] = ways[0].right if ways else None
    return found


def test_the_table_of_routes_is_complete(bench: Bench) -> None:
    found = entrances(app_of(bench))
    assert {name: right for name, right in found.items() if right is not None} == RIGHTS
    assert {name for name, right in found.items() if right is None} == set(OTHERS)


def ask(app: FastAPI, route: str, token: str) -> int:
    """Return the status of a request with a token; its body is empty, so what is let in is refused later."""
    method, path = route.split()
    path = path.format(incident_id="1", window_id="1", name="machine-restart")
    return send(app, method, path, f"Bearer {token}" if token else "").status_code


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_to_what_it_may_and_to_nothing_else(bench: Bench, role: Role) -> None:
    app = app_of(bench)
    for route, right in RIGHTS.items():
        status = ask(app, route, TOKENS[role])
        assert (status == 403) == (role.rank < right.role.rank), (route, role, status)
        assert status != 401


def test_without_a_token_nothing_is_to_be_had(bench: Bench) -> None:
    app = app_of(bench)
    for route in RIGHTS:
        assert ask(app, route, "") == ask(app, route, "wrong") == 401, route


def test_a_pipeline_is_no_person_whatever_its_role_says(bench: Bench) -> None:
    app = app_of(bench)
    for route, right in RIGHTS.items():
        expected = right in (ARM, APPROVE)
        assert (ask(app, route, PIPELINE) == 403) == expected, route


def test_a_token_is_also_the_password_of_its_operator_and_of_nobody_else(bench: Bench) -> None:
    app = app_of(bench)

    def basic(name: str, password: str) -> int:
        shown = base64.b64encode(f"{name}:{password}".encode()).decode()
        return send(app, "GET", "/api/v1/status", f"Basic {shown}").status_code

    assert basic("the-viewer", TOKENS[Role.VIEWER]) == 200
    assert basic("ada", COMMON) == 200
    assert basic("the-admin", TOKENS[Role.VIEWER]) == 401
    assert basic("the-viewer", "wrong") == 401
    for nonsense in ("Basic", "Basic §", "Basic " + "=" * 9, "Digest abc", "Bearer"):
        answer = send(app, "GET", "/api/v1/status", nonsense)
        assert answer.status_code == 401
        assert "Basic" in answer.headers["www-authenticate"]


def test_who_guesses_is_not_heard_after_a_while(bench: Bench) -> None:
    app = app_of(bench)
    statuses = [ask(app, "GET /api/v1/status", f"guess-{n}") for n in range(70)]
    assert statuses == [401] * 60 + [429] * 10
    # Not even with a right one, until some time has passed.
    assert ask(app, "GET /api/v1/status", TOKENS[Role.VIEWER]) == 429
    bench.clock.advance(5)
    assert ask(app, "GET /api/v1/status", TOKENS[Role.VIEWER]) == 200


def test_a_runaway_script_is_slowed_down_alone(bench: Bench) -> None:
    app = app_of(bench, rate=1)
    statuses = [ask(app, "GET /api/v1/status", TOKENS[Role.VIEWER]) for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    assert ask(app, "GET /api/v1/status", TOKENS[Role.OPERATOR]) == 200
    bench.clock.advance(1)
    assert ask(app, "GET /api/v1/status", TOKENS[Role.VIEWER]) == 200
