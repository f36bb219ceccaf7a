"""What every page has in common on the wire: what was asked, how it is answered, cookies and headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from airwarden.core.errors import NotFoundError, WrongInputError
from airwarden.core.platform import Identity
from airwarden.remediation.console.reception import Visitor

BASE = "/console"
#: Nothing from elsewhere, nothing written into a page runs or styles it, and nobody frames it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With less, a browser would not say from where a form comes.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: Characters of one field, and fields of one form.
_LONGEST, _MOST_FIELDS = 4096, 64


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a page, or one order.

    Attributes:
        visitor: Who; None only where nobody has to be.
        part: The page renews itself: only its changing part is wanted.
        named: Whom a believed proxy names.
    """

    method: str
    path: str
    place: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    cookies: Mapping[str, str]
    address: str
    host: str
    part: bool = False
    visitor: Visitor | None = None
    named: Identity | None = None

    @property
    def who(self) -> Visitor:
        """Who asks; where somebody has to be."""
        if self.visitor is None:
            raise AssertionError("this page is for those who signed in")
        return self.visitor

    def number(self, name: str = "number") -> int:
        """Return a number in the address; raises NotFoundError for what is none."""
        text = self.place.get(name, "")
        if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) < 2**53:
            raise NotFoundError(f"there is no incident {text[:40]}")
        return int(text)

    def text(self, name: str, most: int = 200) -> str:
        """Return a field of the query, cut to a length and without what no journal keeps."""
        return self.query.get(name, "").replace("\0", "").strip()[:most]

    def field(self, name: str, most: int = 1000) -> str:
        """Return a field of the form; raises WrongInputError where it is too long."""
        value = self.form.get(name, "").strip()
        if len(value) > most:
            raise WrongInputError(f"is longer than {most} characters", place=name)
        if "\0" in value:
            raise WrongInputError("must not hold the character U+0000", place=name)
        return value


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back: a page, or the way to another.

    Attributes:
        to: Where to go on; empty where `body` is the answer.
        cookies: To set; an empty value takes one back.
    """

    body: str | bytes = ""
    status: int = 200
    to: str = ""
    kind: str = "text/html; charset=utf-8"
    cookies: tuple[Cookie, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie that no script reads; `seconds` 0 takes it back."""

    name: str
    value: str
    seconds: int
    path: str = "/"


def see(path: str, *cookies: Cookie) -> Answer:
    """Send a person on, with a page that a reload does not order again."""
    return Answer(status=303, to=path, cookies=cookies)


def respond(answer: Answer, *, secure: bool) -> Response:
    """Return an answer as it travels."""
    headers = {"Cache-Control": "no-store", **HEADERS, **answer.headers}
    if answer.to:
        headers["Location"] = answer.to
    response = Response(answer.body, answer.status, headers, answer.kind)
    for one in answer.cookies:
        same: Literal["lax"] = "lax"
        # Lax, not strict: who follows a link out of a chat message is signed in there, too.
        if one.seconds:
            response.set_cookie(
                one.name, one.value, one.seconds, None, one.path, None, secure, True, same
            )
        else:
            response.delete_cookie(one.name, one.path, None, secure, True, same)
    return response


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form; raises WrongInputError for anything else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise WrongInputError("a form is expected")
    body = await request.body()
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except (UnicodeError, ValueError):
        raise WrongInputError("the form cannot be read") from None
    return {name: value[:_LONGEST] for name, value in pairs}


def cookies_of(request: Request) -> dict[str, str]:
    """Return the cookies of a request; what cannot be read is none."""
    try:
        jar = SimpleCookie(request.headers.get("cookie", "")[:8192])
    except CookieError:
        return {}
    return {name: one.value for name, one in jar.items()}


def same_origin(request: Request, url: str) -> bool:
    """Return whether a form comes from a page of ours: every browser says from where with a POST."""
    origin = request.headers.get("origin", "")
    fetched = request.headers.get("sec-fetch-site", "")
    if fetched not in ("", "same-origin"):
        return False
    host = urlsplit(origin).netloc
    return bool(host) and host in (request.headers.get("host", ""), urlsplit(url).netloc)


def inside(path: str) -> str:
    """Return a path of the console to go on to; the first page for anything else."""
    safe = path.startswith(f"{BASE}/") and "\\" not in path and path.isprintable()
    return path if safe and len(path) < 2000 and "//" not in path else f"{BASE}/"
