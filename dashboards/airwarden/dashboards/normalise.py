"""One pass from what grafanalib writes (schema 12) to what Grafana 11–13 reads (schema 42).

It keeps what is named here and drops the rest: grafanalib's keys of dead panels, empty values, and
options that moved elsewhere. A panel type that is not listed is refused, so that none slips through
unreviewed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from grafanalib._gen import DashboardEncoder

Json = dict[str, Any]

SCHEMA_VERSION = 42
#: Whose options these are: Grafana migrates a panel that names an older one.
PLUGIN_VERSION = "12.0.0"

_DASHBOARD_KEYS = (
    "uid",
    "title",
    "description",
    "tags",
    "timezone",
    "editable",
    "refresh",
    "time",
    "links",
)
_TARGET_KEYS = ("datasource", "expr", "legendFormat", "refId")
_DEFAULTS_KEYS = ("unit", "decimals", "min", "max", "noValue", "mappings", "thresholds", "color")

#: For each panel type the options that it has, with the value where the builder gave none.
_OPTIONS: Mapping[str, Json] = {
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    },
    "bargauge": {
        "displayMode": "basic",
        "legend": {},
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    },
    "timeseries": {"legend": {}, "tooltip": {}},
    "state-timeline": {
        "alignValue": "left",
        "legend": {},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "never",
        "tooltip": {},
    },
    "table": {"cellHeight": "sm", "frameIndex": 0, "showHeader": True, "sortBy": []},
    "text": {"content": "", "mode": "markdown"},
}

#: For each panel type the custom field settings that it has.
_CUSTOM: Mapping[str, tuple[str, ...]] = {
    "stat": (),
    "bargauge": (),
    "timeseries": (
        "axisCenteredZero",
        "axisColorMode",
        "axisLabel",
        "axisPlacement",
        "barAlignment",
        "drawStyle",
        "fillOpacity",
        "gradientMode",
        "hideFrom",
        "lineInterpolation",
        "lineWidth",
        "pointSize",
        "scaleDistribution",
        "showPoints",
        "spanNulls",
        "stacking",
        "thresholdsStyle",
    ),
    "state-timeline": ("fillOpacity", "hideFrom", "lineWidth", "spanNulls"),
    "table": ("align", "cellOptions", "filterable", "inspect"),
}


def _legend(given: Json) -> Json:
    mode = given.get("displayMode", "list")
    return {
        "calcs": given.get("calcs", []),
        "displayMode": "list" if mode == "hidden" else mode,
        "placement": given.get("placement", "bottom"),
        "showLegend": mode != "hidden",
    }


def _tooltip(given: Json) -> Json:
    return {
        "hideZeros": False,
        "mode": given.get("mode", "single"),
        "sort": given.get("sort", "none"),
    }


def _options(kind: str, given: Json) -> Json:
    options: Json = {key: given.get(key, default) for key, default in _OPTIONS[kind].items()}
    if "legend" in options:
        options["legend"] = _legend(options["legend"])
    if "tooltip" in options:
        options["tooltip"] = _tooltip(options["tooltip"])
    return options


def _custom(kind: str, given: Json) -> Json:
    custom = {key: given[key] for key in _CUSTOM[kind] if given.get(key) not in (None, "")}
    if kind == "table":
        custom["cellOptions"] = {"type": given.get("displayMode", "auto")}
        custom["inspect"] = False
    if custom.get("scaleDistribution", {}).get("type") == "linear":
        custom["scaleDistribution"] = {"type": "linear"}
    return custom


def _field_config(kind: str, given: Json) -> Json:
    before = given.get("defaults", {})
    defaults = {key: before[key] for key in _DEFAULTS_KEYS if before.get(key) is not None}
    defaults.setdefault("color", {"mode": "thresholds"})
    defaults.setdefault("mappings", [])
    defaults["custom"] = _custom(kind, before.get("custom", {}))
    return {"defaults": defaults, "overrides": given.get("overrides", [])}


def _target(given: Json) -> Json:
    target = {key: given[key] for key in _TARGET_KEYS}
    target["editorMode"] = "code"
    target["format"] = given["format"]
    target["instant"] = given["instant"]
    target["range"] = not given["instant"]
    return target


def _panel(given: Json) -> Json:
    kind = given["type"]
    panel: Json = {key: given[key] for key in ("id", "type", "title", "gridPos")}
    if kind == "row":
        panel["collapsed"] = given["collapsed"]
        panel["panels"] = [_panel(inner) for inner in given["panels"]]
        return panel
    if kind not in _OPTIONS:
        raise ValueError(f"panel {given['title']!r} is of type {kind!r}: add it to normalise.py")
    panel["description"] = given["description"]
    panel["pluginVersion"] = PLUGIN_VERSION
    if given.get("links"):
        panel["links"] = given["links"]
    panel["options"] = _options(kind, given.get("options", {}))
    if kind == "text":
        panel["fieldConfig"] = {"defaults": {}, "overrides": []}
        return panel
    panel["datasource"] = given["datasource"]
    panel["fieldConfig"] = _field_config(kind, given["fieldConfig"])
    if given.get("maxDataPoints"):
        panel["maxDataPoints"] = given["maxDataPoints"]
    panel["targets"] = [_target(target) for target in given["targets"]]
    if given.get("transformations"):
        panel["transformations"] = given["transformations"]
    return panel


def _variable(given: Json) -> Json:
    variable: Json = {key: given[key] for key in ("name", "label", "type", "query")}
    variable["hide"] = 0
    variable["skipUrlSync"] = False
    variable["multi"] = given["multi"]
    variable["includeAll"] = given["includeAll"]
    if given["type"] == "custom":
        chosen = given["current"]["value"]
        variable["options"] = [
            {"selected": value == chosen, "text": value, "value": value}
            for value in given["query"].split(",")
        ]
        variable["current"] = {"selected": True, "text": chosen, "value": chosen}
        return variable
    variable["options"] = []
    variable["current"] = {}
    variable["refresh"] = given["refresh"]
    variable["regex"] = given["regex"] or ""
    if given["type"] == "query":
        variable["datasource"] = given["datasource"]
        variable["definition"] = given["query"]
        variable["query"] = {"query": given["query"], "refId": f"variable-{given['name']}"}
        if given["allValue"]:
            variable["allValue"] = given["allValue"]
        variable["sort"] = given["sort"]
        variable["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return variable


#: Grafana's own annotations, which every dashboard has.
_BUILT_IN: Json = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}


def normalise(built: Any, annotations: Sequence[Json] = ()) -> Json:
    """Return a grafanalib dashboard as data in schema version 42.

    Args:
        built: A `grafanalib.core.Dashboard`.
        annotations: As Grafana reads them; grafanalib has no class for them.

    Raises:
        ValueError: It holds a panel of a type that is not described here.
    """
    given: Json = json.loads(json.dumps(built, cls=DashboardEncoder))
    result: Json = {key: given[key] for key in _DASHBOARD_KEYS}
    result["annotations"] = {"list": [_BUILT_IN, *annotations]}
    result["fiscalYearStartMonth"] = 0
    result["graphTooltip"] = 1
    result["panels"] = [_panel(panel) for panel in given["panels"]]
    result["schemaVersion"] = SCHEMA_VERSION
    result["templating"] = {"list": [_variable(item) for item in given["templating"]["list"]]}
    result["timepicker"] = {}
    result["version"] = 1
    return result
