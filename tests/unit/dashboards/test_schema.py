"""The generated dashboards against a strict JSON Schema made from the types that Grafana publishes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from support.dashboards import Json, dashboards, panels
from support.repository import ROOT

SCHEMA = json.loads((ROOT / "tests/data/grafana/dashboard.schema.json").read_text())
VALID = jsonschema_rs.validator_for(SCHEMA)
ALL = dashboards()
#: A map whose keys are a reader's columns, not Grafana's.
OPEN = ("excludeByName", "indexByName", "renameByName")


def complaints(dashboard: Json) -> list[str]:
    """Return what is wrong, panel by panel: a choice between kinds of panel names none of them."""
    if VALID.is_valid(dashboard):
        return []
    alone = {**dashboard, "panels": []}
    found = [f"{list(error.instance_path)}: {error.message}" for error in VALID.iter_errors(alone)]
    wrong = (p for p in panels(dashboard) if not VALID.is_valid({**alone, "panels": [p]}))
    found += [f"panel {panel['title']!r}" for panel in wrong]
    return found or ["a row"]


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Json]]:
    """Yield every object with the path to it."""
    if isinstance(value, dict):
        yield ".".join(map(str, path)), value
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        if isinstance(inner, (dict, list)):
            yield from objects(inner, (*path, key))


def one_of_each() -> Json:
    """Return a dashboard with a panel of each kind, the richest one, and one row."""
    found: dict[str, Json] = {}
    for panel in (p for one in ALL for p in panels(one, rows=True)):
        known = found.get(panel["type"])
        if known is None or len(json.dumps(panel)) > len(json.dumps(known)):
            found[panel["type"]] = panel
    found["row"] = {**found["row"], "panels": []}
    return copy.deepcopy({**ALL[0], "panels": list(found.values())})


@pytest.mark.parametrize("generated", ALL, ids=[one["uid"] for one in ALL])
def test_every_dashboard_is_one_of_grafanas(generated: Json) -> None:
    assert complaints(generated) == []


def test_a_key_that_grafana_does_not_know_is_refused_wherever_it_stands() -> None:
    dashboard = one_of_each()
    assert complaints(dashboard) == []
    passed = []
    for path, part in objects(dashboard):
        if path.endswith(OPEN):
            continue
        part["stale"] = 1
        if VALID.is_valid(dashboard):
            passed.append(path)
        del part["stale"]
    assert passed == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("timeseries", {"options": {"legend": {"displayMode": "side"}}}),
        ("timeseries", {"fieldConfig": {"defaults": {"custom": {"drawStyle": "staircase"}}}}),
        ("stat", {"options": {"colorMode": "loud"}}),
        ("stat", {"fieldConfig": {"defaults": {"thresholds": {"steps": ""}}}}),
        ("bargauge", {"options": {"sizing": 3}}),
        ("state-timeline", {"options": {"showValue": "sometimes"}}),
        ("table", {"options": {"cellHeight": "huge"}}),
        ("text", {"options": {"mode": "bbcode"}}),
        ("stat", {"type": "singlestat"}),
        ("timeseries", {"type": "graph"}),
    ],
)
def test_a_value_that_grafana_does_not_know_is_refused(kind: str, change: Json) -> None:
    dashboard = one_of_each()
    (panel,) = (one for one in dashboard["panels"] if one["type"] == kind)
    _merge(panel, change)
    assert complaints(dashboard) == [f"panel {panel['title']!r}"]


def _merge(into: Json, change: Json) -> None:
    for key, value in change.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


def test_the_schema_is_of_the_release_that_its_recipe_names() -> None:
    recipe = json.loads((ROOT / "tests/support/grafana_schema/package.json").read_text())
    release = recipe["devDependencies"]["@grafana/schema"]
    assert f"@grafana/schema {release}," in SCHEMA["$comment"]
