"""The generated dashboards: committed as generated, valid for today's Grafana, readable."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
import yaml

from airwarden.core.errors import WrongInputError
from airwarden.dashboards.boards.overview import overview as build_overview
from airwarden.dashboards.boards.overview.targets import source_keys
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.generate import build
from airwarden.dashboards.layout import COLUMNS, Section, Sized, dashboard
from airwarden.dashboards.names import BOARDS, OVERVIEW, VARIABLES
from airwarden.dashboards.panels import stat
from support.dashboards import dashboards, panels
from support.repository import ROOT, committed

ALL = dashboards()
EACH = pytest.mark.parametrize("generated", ALL, ids=[d["uid"] for d in ALL])


def overview(config: DashboardConfig) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(build_overview(config)))
    return found


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


@EACH
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


def test_there_is_one_for_each_name() -> None:
    assert [(d["uid"], d["title"]) for d in ALL] == [(b.uid, b.title) for b in BOARDS]
    assert len(BOARDS) == 14


@EACH
def test_every_panel_says_what_it_shows(generated: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(generated)]
    assert sorted(titles) == sorted(set(titles)), "two panels of one name"
    for panel in panels(generated):
        assert panel["title"]
        assert panel["description"].endswith("."), f"{panel['title']}: a sentence behind the (i)"
        if panel["type"] == "text":
            assert panel["options"]["content"]
            continue
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${ds}"}
        assert panel["targets"], "an empty panel helps nobody"
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None
        assert [s["value"] for s in steps[1:]] == sorted(s["value"] for s in steps[1:])


def test_a_panel_without_data_says_so_in_words() -> None:
    silent = [
        f"{generated['uid']}: {panel['title']}"
        for generated in ALL
        for panel in panels(generated)
        if panel["type"] not in ("text", "table")
        and not panel["fieldConfig"]["defaults"].get("noValue")
    ]
    assert silent == []


def test_what_a_site_has_to_feed_says_no_source_configured_and_how_to_add_it() -> None:
    for uid, metrics in {
        "airwarden-business": (
            "airwarden_business_",
            "airwarden_ml_",
            "airwarden_report_",
            "airwarden_user_",
        ),
        "airwarden-data": ("airwarden_quality_", "airwarden_stream_", "airwarden_spark_"),
        "airwarden-workers": ("airwarden_pods", "airwarden_pod_"),
        "airwarden-kubernetes": ("airwarden_pod", "airwarden_workload_", "airwarden_quota_"),
        "airwarden-scheduler": ("airwarden_scheduler_loop", "airwarden_executor_slots"),
        "airwarden-database": ("airwarden_pgbouncer_", "airwarden_mariadb_"),
    }.items():
        (generated,) = (d for d in ALL if d["uid"] == uid)
        fed = [
            panel
            for panel in panels(generated)
            if any(name in t["expr"] for t in panel.get("targets", []) for name in metrics)
        ]
        assert fed
        for panel in fed:
            said = panel["fieldConfig"]["defaults"]["noValue"]
            assert "no source configured" in said.lower(), panel["title"]
            assert "docs/how-to/" in said + panel["description"], panel["title"]


@EACH
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


@EACH
def test_every_dashboard_has_every_variable_so_that_links_carry_them(
    generated: dict[str, Any],
) -> None:
    names = [variable["name"] for variable in generated["templating"]["list"]]
    names = [name for name in names if name != "dag"]
    assert names == list(VARIABLES)


@EACH
def test_rates_use_the_interval_that_grafana_derives(generated: dict[str, Any]) -> None:
    expressions = [t["expr"] for p in panels(generated) for t in p.get("targets", [])]
    assert all("[$__rate_interval]" in expr for expr in expressions if "sum (rate(" in expr)


def test_limits_are_those_of_the_alerts() -> None:
    changed = DashboardConfig(limits=Limits(queue_depth=77, scheduler_lag_seconds=33))
    generated = overview(changed)
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
        return next(p for p in panels(overview(config)) if p["title"] == title)

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
        dashboard(OVERVIEW, [Section("s", (Sized(dead, 8, 8),))])


def test_panels_wrap_at_the_grids_edge() -> None:
    wide = Sized(stat("a", "A.", "none", []), 10, 4)
    built = dashboard(OVERVIEW, [Section("s", (wide,) * 3)])
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in built["panels"][1:]]
    assert places == [(0, 1), (10, 1), (0, 5)]
