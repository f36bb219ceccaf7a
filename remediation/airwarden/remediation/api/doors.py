"""Who is at the door: a token, shown as bearer or as a password, and what the one behind it may do."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Header, HTTPException, Request
from pydantic import SecretStr

from airwarden.remediation.api.pace import Pace
from airwarden.remediation.operators import Operator, Operators, Right, common, digest

_log = structlog.get_logger(__name__)
#: Refusals of one address at once and a second after that; then it is not even looked at.
_REFUSALS, _REFUSALS_A_SECOND = 60, 1.0
#: What a refusal asks for.
_CHALLENGE = 'Bearer, Basic realm="airwarden", charset="UTF-8"'


def bearer(token: SecretStr) -> Callable[[Request, str], None]:
    """Return the check of a door that one token opens."""
    expected = digest(token.get_secret_value())

    def check(request: Request, authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(digest(_shown(authorization)[1]), expected):
            raise _refused(request)

    return check


class Door:
    """The operators' door.

    Args:
        token: The common token; who shows it gives their own name.
        operators: Those with one of their own, as they are known now.
        elapsed: Seconds of a clock that only goes forward.
        rate: Requests of one operator a second, over a longer time; ten seconds' worth at once.
    """

    def __init__(
        self,
        token: SecretStr,
        operators: Callable[[], Operators],
        elapsed: Callable[[], float],
        rate: float,
    ) -> None:
        self._expected = digest(token.get_secret_value())
        self.operators = operators
        self._pace = Pace(rate, 10 * rate, elapsed)
        self._refusals = Pace(_REFUSALS_A_SECOND, _REFUSALS, elapsed)

    def to(self, right: Right) -> Any:
        """Return a route's dependency: whoever goes on from here has this right."""
        return Depends(Entrance(self, right))

    def enter(self, request: Request, authorization: str, actor: str) -> Operator:
        """Return who came; raises HTTPException for a stranger, or one who comes too often."""
        address = request.client.host if request.client else ""
        if wait := self._refusals.wait(address, take=False):
            raise _too_often(request, wait)
        name, shown = _shown(authorization)
        found = self.operators().recognise(shown)
        if found is not None and name not in ("", found.name):
            found = None  # somebody else's name with their token
        elif found is None and hmac.compare_digest(digest(shown), self._expected):
            found = common(_plain(name or actor))
        if found is None or not shown:
            self._refusals.wait(address)
            raise _refused(request)
        if wait := self._pace.wait(found.name if found.own_token else f"common {address}"):
            raise _too_often(request, wait)
        return found


@dataclass(frozen=True, slots=True)
class Entrance:
    """The way to one route: who comes through has the right that it takes."""

    door: Door
    right: Right

    def __call__(
        self,
        request: Request,
        authorization: Annotated[str, Header()] = "",
        x_airwarden_actor: Annotated[str, Header(max_length=200)] = "operator",
    ) -> None:
        """Let in, or raise HTTPException for a stranger, RejectedError for who may not."""
        found = self.door.enter(request, authorization, x_airwarden_actor)
        self.door.operators().require(found, self.right)
        request.state.operator = found


def operator(request: Request) -> Operator:
    """Return who came through the operators' door."""
    found: Operator = request.state.operator
    return found


#: A handler's parameter: who orders.
By = Annotated[Operator, Depends(operator)]


def _shown(authorization: str) -> tuple[str, str]:
    """Return the name, empty for a bearer, and the token that a header shows."""
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return "", shown.strip()
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(shown.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password


def _plain(name: str) -> str:
    return "".join(c for c in name if c.isprintable()).strip()[:200] or "operator"


def _refused(request: Request) -> HTTPException:
    _log.warning("request refused: no valid token", path=request.url.path)
    said = "a valid token is required, as bearer or as the password of its operator"
    return HTTPException(401, said, {"WWW-Authenticate": _CHALLENGE})


def _too_often(request: Request, wait: float) -> HTTPException:
    _log.warning("request refused: too many of this sender", path=request.url.path)
    after = str(math.ceil(wait))
    return HTTPException(429, f"too many requests: come back in {after} s", {"Retry-After": after})
