"""The HTTP side of the local endpoints: routes, failures on demand, and the record."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from localplatform.endpoints.pagerduty import MOST_BYTES, PagerDuty, masked
from localplatform.endpoints.pagerduty_people import Rest
from localplatform.endpoints.slack import Slack


@dataclass(slots=True)
class Demand:
    """Answers to give instead of judging: `times` more, with this status.

    Attributes:
        status: The HTTP status.
        times: How many more requests it applies to.
        retry_after: Value of the Retry-After header, if any.
    """

    status: int
    times: int
    retry_after: int | None = None


def _refused(answer: object) -> bool:
    """Return whether Slack said no under a status that says yes."""
    return isinstance(answer, dict) and answer.get("ok") is False


class Record:
    """What came in: kept in memory for `/_received`, appended as JSON lines to a file."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._lock = path, threading.Lock()
        self.entries: list[Mapping[str, Any]] = []

    def add(self, service: str, path: str, status: int, body: object, answer: object) -> None:
        """Keep one request with its answer."""
        entry = {
            "at": datetime.now(UTC).isoformat(),
            "service": service,
            "path": path,
            "status": status,
            "accepted": status < 400 and not _refused(answer),
            "body": body,
            "answer": answer,
        }
        with self._lock:
            self.entries.append(entry)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")


class Endpoints:
    """Both services, the record and the demands, behind one application."""

    def __init__(self, record: Path | None = None) -> None:
        self.pagerduty, self.slack = PagerDuty(), Slack()
        self.record = Record(record)
        self.demands: dict[str, Demand] = {}

    def demanded(self, service: str, path: str, body: object) -> Response | None:
        """Return the failure that was asked for, or None to answer as usual."""
        demand = self.demands.get(service)
        if demand is None or demand.times <= 0:
            return None
        demand.times -= 1
        headers = {} if demand.retry_after is None else {"Retry-After": str(demand.retry_after)}
        answer: dict[str, Any] = {"ok": False, "error": "ratelimited"}
        if service == "pagerduty":
            answer = {"status": "throttle exceeded", "message": "Requests for this service"}
        self.record.add(service, path, demand.status, body, answer)
        return JSONResponse(answer, demand.status, headers)


def _unsecret(event: Mapping[str, Any]) -> dict[str, Any]:
    key = event.get("routing_key")
    return {**event, **({"routing_key": masked(key)} if isinstance(key, str) else {})}


async def _bounded(request: Request, most: int) -> bytes:
    """Return the body, cut one byte after `most`, so that no sender can fill the memory."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return body[: most + 1]
    return body


def _arguments(request: Request, body: bytes) -> tuple[str, dict[str, Any]]:
    """Return token and arguments of a Web API call, sent as JSON or as a form."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if "json" in request.headers.get("content-type", ""):
        loaded = json.loads(body or b"{}")
        return token, loaded if isinstance(loaded, dict) else {}
    form: dict[str, Any] = {key: values[0] for key, values in parse_qs(body.decode()).items()}
    for key in ("blocks", "attachments"):
        if isinstance(form.get(key), str):
            form[key] = json.loads(form[key])
    return token or str(form.pop("token", "")), form


def create_app(endpoints: Endpoints) -> FastAPI:
    """Return the application that serves PagerDuty, Slack, a heartbeat receiver and the record."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/v2/enqueue")
    async def enqueue(request: Request) -> Response:
        body = await _bounded(request, MOST_BYTES)
        if failure := endpoints.demanded("pagerduty", "/v2/enqueue", None):
            return failure
        answer, event = endpoints.pagerduty.enqueue(body)
        endpoints.record.add(
            "pagerduty", "/v2/enqueue", answer.status, _unsecret(event), answer.body
        )
        return JSONResponse(dict(answer.body), answer.status)

    @app.post("/api/{method}")
    async def web_api(method: str, request: Request) -> Response:
        body = await _bounded(request, 1024 * 1024)
        try:
            token, arguments = _arguments(request, body)
        except ValueError:
            token, arguments = "", {}
        if failure := endpoints.demanded("slack", f"/api/{method}", arguments):
            return failure
        answer = endpoints.slack.call(method, token, arguments)
        endpoints.record.add("slack", f"/api/{method}", 200, arguments, answer)
        return JSONResponse(dict(answer))

    @app.post("/services/{path:path}")
    async def incoming_webhook(path: str, request: Request) -> Response:  # noqa: ARG001 - the route names it
        body = await _bounded(request, 1024 * 1024)
        if failure := endpoints.demanded("slack-webhook", "/services", None):
            return failure
        try:
            content = json.loads(body)
        except ValueError:
            content = None
        status, answer = endpoints.slack.webhook(content)
        endpoints.record.add("slack-webhook", "/services", status, content, answer)
        return PlainTextResponse(answer, status)

    @app.get("/incidents")
    @app.get("/incidents/{rest:path}")
    async def rest(request: Request) -> Response:
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        if failure := endpoints.demanded("pagerduty-rest", request.url.path, None):
            return failure
        status, answer = Rest(endpoints.pagerduty).get(request.url.path, query, request.headers)
        endpoints.record.add("pagerduty-rest", request.url.path, status, None, answer)
        return JSONResponse(answer, status)

    @app.post("/heartbeat")
    async def heartbeat(request: Request) -> Response:
        body = await _bounded(request, 1024 * 1024)
        content = json.loads(body or b"{}")
        endpoints.record.add("heartbeat", "/heartbeat", 200, content, "ok")
        return PlainTextResponse("ok")

    _add_controls(app, endpoints)
    return app


def _add_controls(app: FastAPI, endpoints: Endpoints) -> None:
    """Add what the real services do not have: reading, failing on demand, forgetting."""

    @app.get("/_received")
    def received(service: str = "", after: int = 0) -> Response:
        entries = endpoints.record.entries[after:]
        return JSONResponse([e for e in entries if not service or e["service"] == service])

    @app.get("/_pages")
    def pages() -> Response:
        return JSONResponse([asdict(page) for page in endpoints.pagerduty.pages.values()])

    @app.get("/_messages")
    def messages() -> Response:
        return JSONResponse([asdict(message) for message in endpoints.slack.messages.values()])

    @app.post("/_demand")
    async def demand(request: Request) -> Response:
        wanted = await request.json()
        endpoints.demands[wanted.pop("service")] = Demand(**wanted)
        return PlainTextResponse("ok")

    @app.post("/_reset")
    def reset() -> Response:
        endpoints.record.entries.clear()
        endpoints.demands.clear()
        endpoints.pagerduty.pages.clear()
        endpoints.slack.messages.clear()
        return PlainTextResponse("ok")

    @app.get("/healthz")
    def healthz() -> Response:
        return PlainTextResponse("ok")
