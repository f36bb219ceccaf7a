"""The reference page of the remediator's HTTP API, made from its OpenAPI description and its doors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from fastapi import FastAPI
from fastapi.routing import APIRoute

from airwarden.remediation.api.doors import Entrance
from airwarden.remediation.api.routes import Edge, build_app
from airwarden.remediation.operators import Right

_HEAD = """\
# HTTP API of the remediator

This page is generated (`make generate`) from the OpenAPI description of the routes; a test compares it with
what it describes.

Operators show a bearer token, the common one (`remediator.api_token`) or their own
(`remediator.operators.NAME`), or the latter as a password; `X-Airwarden-Actor` names who acts behind the
common one. Bodies are JSON; unknown fields are refused. Answers of routes that
commands use have [the same shapes](json.md).

| status | meaning |
|---|---|
| 200 | done |
| 400, 422 | wrong input; nothing was changed |
| 401, 403 | no valid token; a role that may not |
| 404 | there is no such thing |
| 409 | it is not so any more: look again |
| 413 | the body is too large |
| 429, 503 | later: `Retry-After` says when |
"""
_DOORS = {
    "POST /api/v1/alerts": "Alertmanager's token",
    "POST /api/v1/pagerduty": "PagerDuty's signature",
    "POST /api/v1/slack": "Slack's signature",
}


class _Unbuilt:
    """Stands where a running remediator would: the routes are described, never called."""

    rate = 1.0
    metrics_open = False

    def __getattr__(self, name: str) -> _Unbuilt:
        return self

    def __call__(self, *_: object, **__: object) -> _Unbuilt:
        return self

    def get_secret_value(self) -> str:
        """Return no secret."""
        return ""


def render() -> str:
    """Return the page as Markdown."""
    app = build_app(cast(Edge, _Unbuilt()), "0")
    described: Mapping[str, Any] = app.openapi()
    doors = dict(_doors(app))
    blocks = [_HEAD]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            blocks.append("\n".join(_route(name, operation, doors.get(name, "anybody"), described)))
    return "\n".join(blocks)


def _doors(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Return route → who may use it."""
    for route in _every(app.routes):
        ways = [one.call for one in route.dependant.dependencies]
        rights = [one.right for one in ways if isinstance(one, Entrance)]
        for method in route.methods or ():
            name = f"{method} {route.path}"
            who = _role(rights[0]) if rights else _DOORS.get(name, "anybody")
            yield name, who


def _every(routes: Iterable[object]) -> Iterator[APIRoute]:
    """Return all routes, those of included routers too."""
    for one in routes:
        within = getattr(one, "original_router", None)
        if within is not None:
            yield from _every(within.routes)
        elif isinstance(one, APIRoute):
            yield one


def _role(right: Right) -> str:
    return f"role {right.role} or above ({right})"


def _route(
    name: str, operation: Mapping[str, Any], door: str, all_of_it: Mapping[str, Any]
) -> Iterator[str]:
    yield f"## `{name}`\n"
    yield f"{operation['summary']}. For {door}.\n"
    rows = [*_parameters(operation), *_fields(operation, all_of_it)]
    if rows:
        yield "| in | field | type | meaning |\n|---|---|---|---|"
        yield from rows
        yield ""


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    for one in operation.get("parameters", ()):
        if one["in"] == "header":
            continue
        needed = "; required" if one.get("required") and one["in"] != "path" else ""
        said = one.get("description", "")
        yield f"| {one['in']} | `{one['name']}` | {_kind(one['schema'])}{needed} | {said} |"


def _fields(operation: Mapping[str, Any], all_of_it: Mapping[str, Any]) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    reference = schema.get("$ref", "").rpartition("/")[2]
    if not reference:
        return
    model = all_of_it["components"]["schemas"][reference]
    for name, one in model.get("properties", {}).items():
        needed = "; required" if name in model.get("required", ()) else ""
        yield f"| body | `{name}` | {_kind(one)}{needed} | {one.get('description', '')} |"


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    kind = schema.get("format") or schema.get("type", "any")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(kind)
