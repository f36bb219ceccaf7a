"""The reference page of the event endpoint, made from the models of its events."""

from __future__ import annotations

import inspect
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from airwarden.exporters.events.intake import EVENTS, LINEAGE, MAX_BATCH
from airwarden.exporters.events.kinds import MODELS, Event

_HEAD = f"""\
# Events

This page is generated (`make generate`); a test compares it with what it describes.
[How to send events](../how-to/business-metrics.md) shows them at work.

`POST {EVENTS}` takes one event or a list of at most {MAX_BATCH}, as JSON; `POST {LINEAGE}` takes OpenLineage
run events as their clients post them. Both need `Authorization: Bearer` with the token of
`exporter.events`. `?cluster=NAME` names the platform for events that do not.

| answer | meaning |
|---|---|
| 200 | all were taken: `accepted`, `repeated` (the id came before), `ignored` (nothing that is counted, or a query gives that metric) |
| 400, 411, 415 | not JSON, no length, compressed: nothing was taken |
| 401 | the token is missing or wrong |
| 404 | events are not configured |
| 413 | too large, or too many at once: send fewer |
| 422 | at least one event is wrong: `problems` says which and why, and nothing was taken |
| 429, 503 | later: `Retry-After` says when. Sending the same events again counts nothing twice |

## Every event
"""


def render() -> str:
    """Return the page."""
    lines = [_HEAD.rstrip(), "", *_rows(Event, set())]
    common = set(Event.model_fields)
    for model in MODELS:
        kind = get_args(model.model_fields["kind"].annotation)[0]
        lines += ["", f"## `{kind}`", "", " ".join((inspect.getdoc(model) or "").split()), ""]
        lines += _rows(model, common | {"kind"})
    lines += [
        "",
        "## `openlineage`",
        "",
        'An OpenLineage run event: `{"kind": "openlineage", "event": {…}}`, with `cluster` where it'
        " is needed; a job's namespace that is the name of a cluster says it, too. Run, type and time of"
        " the event are its id. Only events that end a run (`COMPLETE`, `FAIL`, `ABORT`) count:",
        "",
        "| facet | gives |",
        "|---|---|",
        "| `inputStatistics.size`, `outputStatistics.size` | `airwarden_pipeline_bytes_total`, of the"
        " team that the job's tag `team` names, or that a `match` rule gives to its DAG |",
        "| `dataQualityAssertions` | `airwarden_quality_checks_total`, and"
        " `airwarden_quality_score_ratio` of dimension `assertions`: the share that passed |",
        "| `dataQualityMetrics` | `airwarden_quality_score_ratio` of dimension `completeness`: the"
        " share of values that are not null, of the columns whose nulls were counted |",
    ]
    return "\n".join(lines) + "\n"


def _rows(model: type[Event], without: set[str]) -> list[str]:
    rows = ["| key | value | meaning |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        if name not in without:
            needed = "" if field.is_required() else f"; default {_default(field)}"
            meaning = " ".join((field.description or "").split())
            rows.append(f"| `{name}` | {_value(field.annotation)}{needed} | {meaning} |")
    return rows


def _default(field: FieldInfo) -> str:
    return "none" if field.default is None else f"`{field.default}`"


def _value(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    inner = [one for one in get_args(annotation) if one is not NoneType]
    if inner:
        return _value(inner[0])
    names = {str: "text", int: "whole number", float: "number"}
    return names.get(annotation, "time, as `2026-11-26T10:00:00Z`")
