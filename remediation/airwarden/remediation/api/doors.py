"""Who is at the door: bearer tokens, compared in constant time, and the operator behind each."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated

import structlog
from fastapi import Depends, Header, HTTPException, Request
from pydantic import SecretStr

from airwarden.remediation.operators import Operator, Operators, common, digest

_log = structlog.get_logger(__name__)


def bearer(token: SecretStr) -> Callable[[Request, str], None]:
    """Return the check of a door that one token opens."""
    expected = digest(token.get_secret_value())

    def check(request: Request, authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(digest(_shown(authorization)), expected):
            raise _refused(request)

    return check


def operator_door(
    token: SecretStr, operators: Callable[[], Operators]
) -> Callable[[Request, str, str], None]:
    """Return the check of the operators' door; `operator` then tells a handler who came through.

    Args:
        token: The common token; who shows it gives their own name.
        operators: Those with tokens of their own, as they are known now.
    """
    expected = digest(token.get_secret_value())

    def check(
        request: Request,
        authorization: Annotated[str, Header()] = "",
        x_airwarden_actor: Annotated[str, Header(max_length=200)] = "operator",
    ) -> None:
        shown = _shown(authorization)
        named = operators().recognise(shown)
        if named is None and hmac.compare_digest(digest(shown), expected):
            named = common(_plain(x_airwarden_actor))
        if named is None or not shown:
            raise _refused(request)
        request.state.operator = named

    return check


def operator(request: Request) -> Operator:
    """Return who came through the operators' door."""
    found: Operator = request.state.operator
    return found


#: A handler's parameter: who orders.
By = Annotated[Operator, Depends(operator)]


def _shown(authorization: str) -> str:
    scheme, _, shown = authorization.partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


def _plain(name: str) -> str:
    return "".join(c for c in name if c.isprintable()).strip() or "operator"


def _refused(request: Request) -> HTTPException:
    _log.warning("request refused: no valid token", path=request.url.path)
    return HTTPException(401, "a valid bearer token is required", {"WWW-Authenticate": "Bearer"})
