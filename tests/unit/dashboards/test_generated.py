"""The generated dashboards: committed as generated, valid for today's Grafana, readable."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
import yaml

from airwarden.core.errors import WrongInputError
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.generate import build
from airwarden.dashboards.layout import COLUMNS, Section, Sized, dashboard
from airwarden.dashboards.overview.targets import source_keys
from airwarden.dashboards.panels import stat
from support.dashboards import dashboards, panels, queries
from support.repository import ROOT, committed

ALL = dashboards()
PANELS = [pytest.param(p, id=f"{d['uid']}: {p['title']}") for d in ALL for p in panels(d)]


def through_grafanas_model(given: dict[str, Any]) -> Any:
    """Read and write a dashboard by Grafana's own model of it (pinned: schema 42's last one)."""
    with warnings.catch_warnings():
        # It recommends, while it is imported, its model of the next format.
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.cog.plugins import register_default_plugins
        from grafana_foundation_sdk.models.dashboard import Dashboard
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(given)))


def differences(given: Any, back: Any, path: str = "") -> list[str]:
    """Return where `back` lost or changed something of `given`; additions are defaults."""
    if isinstance(given, dict) and isinstance(back, dict):
        lost = [f"{path}.{key} is dropped" for key in given if key not in back]
        kept = [key for key in given if key in back]
        return lost + [d for k in kept for d in differences(given[k], back[k], f"{path}.{k}")]
    if isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        pairs = enumerate(zip(given, back, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}[{i}]")]
    return [] if given == back else [f"{path}: {given!r} became {back!r}"]


def test_what_is_committed_is_what_a_fresh_run_gives() -> None:
    fresh = {path.replace("grafana/", "dashboards/grafana/", 1): t for path, t in build().items()}
    assert committed("dashboards/grafana/*") == sorted(fresh)
    stale = [path for path, text in fresh.items() if (ROOT / path).read_text() != text]
    assert stale == [], "run `make generate`"


@pytest.mark.parametrize("generated", ALL, ids=[d["uid"] for d in ALL])
def test_grafanas_own_model_keeps_every_key(generated: dict[str, Any]) -> None:
    assert generated["schemaVersion"] == 42
    assert differences(generated, through_grafanas_model(generated)) == []


def test_the_comparison_finds_a_stale_key() -> None:
    stale = json.loads(json.dumps(ALL[0]))
    stale["panels"][1]["options"]["fieldOptions"] = {}
    stale["sharedCrosshair"] = False
    found = differences(stale, through_grafanas_model(stale))
    assert ".sharedCrosshair is dropped" in found
    assert ".panels[1].options.fieldOptions is dropped" in found


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith("."), "a sentence for the reader behind the (i)"
    if panel["type"] != "text":
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${ds}"}
        assert panel["targets"], "an empty panel helps nobody"
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None
        assert [s["value"] for s in steps[1:]] == sorted(s["value"] for s in steps[1:])


@pytest.mark.parametrize("generated", ALL, ids=[d["uid"] for d in ALL])
def test_panels_lie_side_by_side_on_the_grid(generated: dict[str, Any]) -> None:
    identities = [panel["id"] for panel in panels(generated, rows=True)]
    assert len(identities) == len(set(identities))
    taken: set[tuple[int, int]] = set()
    for panel in generated["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert columns.stop <= COLUMNS
        assert not cells & taken, f"{panel['title']} overlaps another panel"
        taken |= cells


def test_ratios_use_the_dashboards_window_and_graphs_the_rate_interval() -> None:
    (generated,) = ALL
    expressions = [t["expr"] for p in panels(generated) for t in p.get("targets", [])]
    assert any("[$window]" in expr for expr in expressions)
    assert all("[$__rate_interval]" in expr for expr in expressions if "sum (rate(" in expr)
    names = [variable["name"] for variable in generated["templating"]["list"]]
    assert names == ["ds", "cluster", "tier", "team", "window"]


def test_every_query_of_ours_is_filtered_by_cluster() -> None:
    unfiltered = [q for q in queries() if "airwarden_" in q.expr and "cluster=~" not in q.expr]
    assert unfiltered == []


def test_limits_are_those_of_the_alerts() -> None:
    changed = DashboardConfig(limits=Limits(queue_depth=77, scheduler_lag_seconds=33))
    (generated,) = dashboards(changed)
    lines = {
        panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]
        for panel in panels(generated)
        if panel["type"] == "timeseries"
    }
    assert lines["Queue depth"] == 77
    assert lines["Scheduler lag"] == 33


@pytest.mark.parametrize("key", sorted(source_keys()))
def test_a_target_without_source_says_how_to_add_it_and_then_is_there(key: str) -> None:
    def named(config: DashboardConfig, title: str) -> dict[str, Any]:
        (generated,) = dashboards(config)
        return next(p for p in panels(generated) if p["title"] == title)

    placeholders = [
        panel
        for panel in panels(ALL[0])
        if panel["type"] == "text" and f"    {key}: '" in panel["options"]["content"]
    ]
    if not placeholders:
        # Airwarden measures something of it; a source of the site's own takes its place.
        owned = next(p for p in panels(ALL[0]) if f"`dashboards.sources.{key}`" in p["description"])
        replaced = named(DashboardConfig(sources={key: "vector(1)"}), owned["title"])
        assert "airwarden_" in owned["targets"][0]["expr"]
        assert replaced["targets"][0]["expr"] == "vector(1)"
        return
    (placeholder,) = placeholders
    assert "No source configured" in placeholder["options"]["content"]
    fence = placeholder["options"]["content"].split("```yaml\n")[1].split("```")[0]
    expression = yaml.safe_load(fence)["dashboards"]["sources"][key]
    panel = named(DashboardConfig(sources={key: expression}), placeholder["title"])
    assert panel["type"] == "stat"
    assert panel["targets"][0]["expr"] == expression


def test_a_source_for_no_target_is_refused() -> None:
    with pytest.raises(WrongInputError, match=r"dashboards\.sources\.gpus.*gpu"):
        build(DashboardConfig(sources={"gpus": "vector(1)"}))


def test_provisioning_points_at_the_files_and_at_prometheus() -> None:
    config = DashboardConfig(prometheus_url="http://prom:9090", dashboards_path="/srv/boards")
    files = build(config)
    provider = yaml.safe_load(files["grafana/provisioning/dashboards/airwarden.yaml"])
    source = yaml.safe_load(files["grafana/provisioning/datasources/airwarden.yaml"])
    assert provider["providers"][0]["options"] == {"path": "/srv/boards"}
    assert source["datasources"][0]["url"] == "http://prom:9090"


def test_a_panel_type_that_nobody_reviewed_is_refused() -> None:
    import grafanalib.core

    dead = grafanalib.core.Graph(title="old", targets=[], dataSource="x")
    with pytest.raises(ValueError, match=r"'old' is of type 'graph'"):
        dashboard(
            uid="u", title="t", description="d", sections=[Section("s", (Sized(dead, 8, 8),))]
        )


def test_panels_wrap_at_the_grids_edge() -> None:
    wide = Sized(stat("a", "A.", "none", []), 10, 4)
    built = dashboard(uid="u", title="t", description="d", sections=[Section("s", (wide,) * 3)])
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in built["panels"][1:]]
    assert places == [(0, 1), (10, 1), (0, 5)]
