"""The console as an application of its own: who may see and order what, in few threads of its own."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import anyio
import anyio.to_thread
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from airwarden.core.errors import (
    AirwardenError,
    RejectedError,
)
from airwarden.remediation.console.pulse import Pulse
from airwarden.remediation.console.reception import (
    Reception,
    Visitor,
    named_by_proxy,
)
from airwarden.remediation.console.web import (
    BASE,
    Answer,
    Asked,
    Cookie,
    cookies_of,
    form_of,
    inside,
    respond,
    same_origin,
    see,
)
from airwarden.remediation.console_terms import ConsoleTerms
from airwarden.remediation.operators import Right

_log = structlog.get_logger(__name__)
#: Pages that are made at once. Deliveries and the API have threads of their own beside these.
_THREADS = 4
#: What a page that renews itself says.
PART = "x-airwarden-part"

#: Makes an answer; in a thread.
Handler = Callable[[Asked], Answer]
#: Makes the page that says why something was not done.
Refusal = Callable[[Asked, int, str], Answer]


@dataclass(frozen=True, slots=True)
class Page:
    """One address.

    Attributes:
        right: What it takes; None where nobody has to be signed in.
    """

    method: str
    path: str
    right: Right | None
    handler: Handler


class Site:
    """Answers the console's addresses.

    Args:
        pages: What there is.
        reception: Knows people.
        terms: As they are in force now.
        pulse: Whether anything changed.
        refusal: Makes the page of a refusal.
    """

    def __init__(
        self,
        pages: Sequence[Page],
        reception: Reception,
        terms: Callable[[], ConsoleTerms],
        pulse: Pulse,
        refusal: Refusal,
    ) -> None:
        self.pages = pages
        self._reception, self._terms, self._pulse = reception, terms, pulse
        self._refusal = refusal
        self._threads = anyio.CapacityLimiter(_THREADS)

    def routes(self) -> list[BaseRoute]:
        """Return the routes, the way from `/` included."""
        ways: list[BaseRoute] = [
            Route(BASE + one.path, self._endpoint(one), methods=[one.method]) for one in self.pages
        ]
        return [*ways, Route("/", _to_the_console), Route(BASE, _to_the_console)]

    def _endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._answer(page, request)

        return endpoint

    async def _answer(self, page: Page, request: Request) -> Response:
        terms = self._terms()
        asked = self._read(request, terms)
        try:
            if page.method == "POST":
                if not same_origin(request, terms.url):
                    raise RejectedError("This order did not come from a page of this console.")
                asked = replace(asked, form=await form_of(request))
            elif asked.part and (quick := self._unchanged(request, asked)) is not None:
                return quick
            answer = await anyio.to_thread.run_sync(
                self._handled, page, asked, limiter=self._threads
            )
        except AirwardenError as error:
            answer = self._refusal(asked, *_said(error))
        return respond(answer, secure=terms.secure)

    def _read(self, request: Request, terms: ConsoleTerms) -> Asked:
        # The server does not believe headers about whom it speaks to: this is the real other end.
        peer = request.client.host if request.client else ""
        return Asked(
            method=request.method,
            path=request.url.path,
            place=request.path_params,
            query=dict(request.query_params),
            form={},
            cookies=cookies_of(request),
            address=peer,
            host=request.headers.get("host", ""),
            part=request.headers.get(PART, "") == "1",
            named=named_by_proxy(terms.proxy, peer, request.headers),
        )

    def _unchanged(self, request: Request, asked: Asked) -> Response | None:
        """Return that nothing changed, without a thread or a question, where that is known."""
        said = request.headers.get("if-none-match", "")
        token = asked.cookies.get(self.cookie, "")
        word = self._pulse.last()
        if not word or not token or said != _etag(word):
            return None
        if self._reception.remembered(token, asked.named) is None:
            return None
        return Response(status_code=304, headers={"ETag": said})

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; with `__Host-` no other host can set it."""
        return "__Host-airwarden" if self._terms().secure else "airwarden"

    def _handled(self, page: Page, asked: Asked) -> Answer:
        if page.right is None:
            return page.handler(asked)
        visitor, token = self._visitor(asked)
        if visitor is None:
            return self._stranger(asked)
        asked = replace(asked, visitor=visitor)
        try:
            if page.method == "POST":
                shown = asked.form.get("csrf", "")
                if not hmac.compare_digest(shown.encode(), visitor.visit.csrf.encode()):
                    raise RejectedError("This page is of an earlier session: look again.")
            self._reception.operators().require(visitor.operator, page.right)
            word = self._pulse.now() if page.method == "GET" else ""
            answer = page.handler(asked)
        except AirwardenError as error:
            answer = self._refusal(asked, *_said(error))
            word = ""
        if word and answer.status == 200:
            answer = replace(answer, headers={**answer.headers, "ETag": _etag(word)})
        if token:
            answer = replace(answer, cookies=(*answer.cookies, self.session_cookie(token)))
        return answer

    def session_cookie(self, token: str) -> Cookie:
        """Return the cookie of a session that begins."""
        return Cookie(self.cookie, token, int(self._terms().session.total_seconds()))

    def _visitor(self, asked: Asked) -> tuple[Visitor | None, str]:
        """Return who asks, and a new cookie for whom a proxy names and who has none yet."""
        token = asked.cookies.get(self.cookie, "")
        by_hand = not asked.part
        found = self._reception.recognise(token, asked.named, by_hand=by_hand) if token else None
        if found is not None or asked.named is None or asked.part or asked.method != "GET":
            return found, ""
        token = self._reception.by_proxy(asked.named)
        return self._reception.recognise(token, asked.named, by_hand=True), token

    def _stranger(self, asked: Asked) -> Answer:
        if asked.part or asked.method != "GET":
            return self._refusal(asked, 401, "Your session is over: sign in again.")
        query = "&".join(f"{quote(k)}={quote(v)}" for k, v in asked.query.items())
        wanted = inside(asked.path + (f"?{query}" if query else ""))
        after = "" if wanted == f"{BASE}/" else f"?next={quote(wanted, safe='')}"
        return see(f"{BASE}/sign-in{after}")


async def _to_the_console(_request: Request) -> Response:
    return Response(status_code=307, headers={"Location": f"{BASE}/"})


def _etag(word: str) -> str:
    return f'W/"{word}"'


def _said(error: AirwardenError) -> tuple[int, str]:
    """Return the status and the sentence of an error: what to do next is its class."""
    text = str(error)
    return error.http_status, text[:1].upper() + text[1:]
