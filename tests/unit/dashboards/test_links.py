"""A reader goes from one dashboard to the next and keeps the time range and what was chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from airwarden.dashboards.boards.dag import dag
from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.names import BOARDS, DAG, OVERVIEW, VARIABLES
from support.dashboards import dashboards, panels

ALL = dashboards()
EACH = pytest.mark.parametrize("generated", ALL, ids=[d["uid"] for d in ALL])
KNOWN = {board.uid for board in BOARDS}


def ways(generated: dict[str, Any]) -> Iterator[str]:
    """Yield every address in panels and cells."""
    for panel in panels(generated):
        yield from (link["url"] for link in panel.get("links", []))
        for override in panel["fieldConfig"]["overrides"]:
            for setting in override["properties"]:
                if setting["id"] == "links":
                    yield from (link["url"] for link in setting["value"])


def test_links_lead_to_dashboards_that_exist_and_carry_all_along() -> None:
    found = [url for generated in ALL for url in ways(generated)]
    assert len(found) > 50
    for url in found:
        target, query = re.fullmatch(r"/d/([\w-]+)\?(.+)", url).groups()  # type: ignore[union-attr]
        assert target in KNOWN
        carried = query.split("&")
        assert carried[0] == "${__url_time_range}"
        # Each once: a value given twice is two values to Grafana.
        once = [re.sub(r"^\$\{(\w+):queryparam\}$|^var-(\w+)=.+$", r"\1\2", c) for c in carried[1:]]
        assert sorted(set(once) - {"dag"}) == sorted(VARIABLES)
        assert len(once) == len(set(once))


@EACH
def test_the_menu_lists_all_of_them_and_the_overview_is_one_click_away(
    generated: dict[str, Any],
) -> None:
    assert "airwarden" in generated["tags"]
    links = generated["links"]
    assert all(link["keepTime"] and link["includeVars"] for link in links)
    assert [link["tags"] for link in links if link["type"] == "dashboards"] == [["airwarden"]]
    direct = [link["url"] for link in links if link["type"] == "link"]
    assert direct == ([] if generated["uid"] == OVERVIEW.uid else [OVERVIEW.url])


def test_every_dashboard_is_reached_from_another_ones_panels() -> None:
    reached = {url.split("?")[0] for generated in ALL for url in ways(generated)}
    assert {board.url for board in BOARDS if board != OVERVIEW} <= reached


def test_a_table_of_dags_leads_to_the_one_that_was_clicked() -> None:
    assert DAG.link(dag="${__value.raw}") in {url for board in ALL for url in ways(board)}
    assert DAG.link(dag="${__value.raw}").endswith("&var-dag=${__value.raw}")


def test_a_dag_without_series_of_its_own_opens_in_airflow() -> None:
    config = DashboardConfig(airflow={"prod": "https://airflow.example.internal/"})
    (panel,) = (p for p in panels(dag(config)) if p["type"] == "text")
    assert "https://airflow.example.internal/dags/${dag}" in panel["options"]["content"]


@EACH
def test_actions_and_deployments_are_drawn_across_every_graph(generated: dict[str, Any]) -> None:
    entries = {e["name"]: e for e in generated["annotations"]["list"] if "expr" in e}
    drawn = {name for name, entry in entries.items() if entry["enable"]}
    assert drawn == {"Actions", "Deployments"}
    for entry in entries.values():
        assert entry["datasource"] == {"type": "prometheus", "uid": "${ds}"}
        grouped = re.search(r"by \(([\w, ]+)\)", entry["expr"]).group(1)  # type: ignore[union-attr]
        assert set(entry["tagKeys"].split(",")) == set(grouped.split(", "))
