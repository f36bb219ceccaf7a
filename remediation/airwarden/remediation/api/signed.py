"""The doors for those who sign what they send: PagerDuty's webhook, and the buttons in Slack."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.background import BackgroundTask

from airwarden.remediation.acknowledging import Acknowledging
from airwarden.remediation.api.pace import Pace
from airwarden.remediation.chat_orders import ChatOrders, Whisper
from airwarden.remediation.composition import Secrets, Signing
from airwarden.remediation.decide.signatures import SLACK_WITHIN, of_pagerduty, of_slack

_log = structlog.get_logger(__name__)
PAGERDUTY, SLACK = "/api/v1/pagerduty", "/api/v1/slack"
#: Bytes of a body: a button comes with the whole message that it stands in.
MOST = 1024 * 1024
#: Requests of one address at once, and a second after that.
_BURST, _RATE = 60, 10.0
_MOST_SEEN = 4096


@dataclass(frozen=True, slots=True)
class SignedEdge:
    """What these routes stand on.

    Attributes:
        signing: The secrets, as configured now.
        whisper: Sends an answer that one person sees; its failure is logged, never raised.
        now: Seconds since the epoch.
        elapsed: Seconds of a clock that only goes forward.
    """

    signing: Callable[[], Signing]
    acknowledging: Acknowledging
    orders: ChatOrders
    whisper: Callable[[Whisper], None]
    now: Callable[[], float]
    elapsed: Callable[[], float]


class _Once:
    """Notes what has come, for as long as it would be taken again; safe for threads."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def before(self, what: str, now: float) -> bool:
        """Return whether it has come before."""
        with self._lock:
            while self._seen and (
                len(self._seen) >= _MOST_SEEN
                or next(iter(self._seen.values())) < now - 2 * SLACK_WITHIN
            ):
                self._seen.popitem(last=False)
            if what in self._seen:
                return True
            self._seen[what] = now
            return False


def routes(edge: SignedEdge) -> APIRouter:
    """Return the two routes."""
    router = APIRouter()
    pace = Pace(_RATE, _BURST, edge.elapsed)
    once = _Once()

    async def body_of(request: Request, secrets: Secrets | None) -> tuple[bytes, Sequence[str]]:
        if secrets is None:
            raise HTTPException(404, "not configured")
        if pace.wait(request.client.host if request.client else ""):
            raise HTTPException(429, "too many requests", {"Retry-After": "1"})
        return await request.body(), await run_in_threadpool(secrets)

    @router.post(PAGERDUTY, summary="Take an event of PagerDuty (webhook version 3)")
    async def pagerduty(request: Request) -> dict[str, str]:
        body, secrets = await body_of(request, edge.signing().pagerduty)
        if not of_pagerduty(body, request.headers.get("x-pagerduty-signature", ""), secrets):
            raise _unsigned(request)
        return {"outcome": await run_in_threadpool(edge.acknowledging.webhook, body)}

    @router.post(SLACK, summary="Take what was pressed in Slack (block_actions)")
    async def slack(request: Request) -> Response:
        body, secrets = await body_of(request, edge.signing().slack)
        signature = request.headers.get("x-slack-signature", "")
        stamp = request.headers.get("x-slack-request-timestamp", "")
        if not of_slack(body, stamp, signature, secrets, edge.now()):
            raise _unsigned(request)
        if once.before(signature, edge.now()):
            raise HTTPException(409, "this request has come before")
        whisper = await run_in_threadpool(edge.orders.follow, _payload(body))
        # Slack waits three seconds for the answer: what is still to be said is said afterwards.
        after = BackgroundTask(edge.whisper, whisper) if whisper is not None else None
        return Response(status_code=200, background=after)

    return router


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(parse_qs(body.decode(), max_num_fields=10)["payload"][0])
    except (ValueError, KeyError, RecursionError):
        raise HTTPException(400, "there is no payload in it") from None
    return found if isinstance(found, dict) else {}


def _unsigned(request: Request) -> HTTPException:
    _log.warning("request refused: no valid signature", path=request.url.path)
    return HTTPException(401, "a valid and fresh signature is required")
