"""Every query parses, asks only for what the catalogue or the rules have, by labels that are there."""

from __future__ import annotations

import re

import promql_parser
import pytest

from airwarden.core.errors import WrongInputError
from airwarden.core.metrics import MetricType, metric
from airwarden.dashboards.queries import constants, own, series
from support.dashboards import dashboards, filled_in, panels, queries, recordings
from support.promql import retained

#: Prometheus' own series of what fires, with the labels that our rules give it.
ALERTS = frozenset(
    {"alertname", "alertstate", "severity", "component", "team", "queue", "hostname", "cluster"}
)
#: Labels with a value for each DAG, asset, machine or session: at 15,000 DAGs a panel that shows one
#: series for each value of such a label is neither drawn nor read.
GROWING = frozenset(
    {"dag_id", "asset", "dataset", "model", "subject", "hostname", "process", "job_id", "pool"}
    | {"connection", "application", "team", "report_group", "product", "topic", "consumer_group"}
    | {"queue", "collector", "breaker", "operator", "metric", "query", "fingerprint"}
)
UIDS = [dashboard["uid"] for dashboard in dashboards()]


def labels_of(selector: promql_parser.VectorSelector) -> frozenset[str]:
    """Return the labels that the selector's series have.

    Raises:
        WrongInputError: Neither the catalogue nor the rules have it.
        AssertionError: It is a histogram without a suffix.
    """
    name = selector.name or ""
    if name == "ALERTS":
        return ALERTS
    if name in recordings():
        return recordings()[name]
    entry = metric(name)
    if entry.type is MetricType.HISTOGRAM:
        assert name != entry.name, f"{entry.name} is a histogram: add its suffix"
    bucket = {"le"} if name.endswith("_bucket") else set()
    return frozenset({*entry.labels, "cluster", *bucket})


def complaints(expression: str) -> list[str]:
    """Return what is wrong with the names and labels in an expression."""
    found: list[str] = []
    # What label_replace adds is there as well.
    there = set(re.findall(r'"(\w+)", "[^"]*", "", ""\)', expression))
    grouped: set[str] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            have = labels_of(node)
            there.update(have)
            asked = [matcher.name for matcher in node.matchers.matchers]
            found.extend(f"{node.name} has no label {name}" for name in asked if name not in have)
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            grouped.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found + [f"no series here has the label {label}" for label in sorted(grouped - there)]


def unbounded(expression: str) -> frozenset[str]:
    """Return the labels by which the result grows with the platform, where nothing limits it."""
    return retained(promql_parser.parse(expression), labels_of) & GROWING


@pytest.mark.parametrize("uid", UIDS)
def test_queries_name_only_what_the_catalogue_or_the_rules_have(uid: str) -> None:
    ours = [query for query in queries() if query.dashboard == uid]
    assert {q.panel: wrong for q in ours if (wrong := complaints(q.expr))} == {}


@pytest.mark.parametrize("uid", UIDS)
def test_no_query_grows_with_the_platform(uid: str) -> None:
    assert {
        q.panel: sorted(many)
        for q in queries()
        if q.dashboard == uid and (many := unbounded(q.expr))
    } == {}


def test_all_variables_are_known() -> None:
    assert [q for q in queries() if "$" in q.expr] == []


def test_every_query_of_ours_is_filtered_by_cluster() -> None:
    ours = [q for q in queries() if "airwarden_" in q.expr]
    assert [q.panel for q in ours if "cluster=~" not in q.expr] == []


def test_what_a_dashboard_uses_it_defines_and_what_it_shows_it_uses() -> None:
    for dashboard in dashboards():
        everywhere = str(list(panels(dashboard, rows=True)))
        asked = str([t["expr"] for p in panels(dashboard) for t in p.get("targets", [])])
        named, used = (
            {name for name in re.findall(r"\$\{?(\w+)", text) if not name.startswith("__")}
            for text in (everywhere, asked)
        )
        defined = {v["name"]: v["hide"] for v in dashboard["templating"]["list"]}
        assert named - set(defined) == set(), dashboard["uid"]
        shown = {name for name, hide in defined.items() if hide == 0}
        assert shown - {"ds", "cluster"} == used - {"ds", "cluster"}, dashboard["uid"]


def test_the_values_of_variables_come_from_labels_that_are_there() -> None:
    asked = {
        variable["definition"]
        for dashboard in dashboards()
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    }
    assert len(asked) == 6
    for definition in asked:
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", definition).groups()  # type: ignore[union-attr]
        parsed = promql_parser.parse(filled_in(selector))
        assert isinstance(parsed, promql_parser.VectorSelector)
        names = [parsed.name] if parsed.name else parsed.matchers.matchers[0].value.split("|")
        assert all(label in {*metric(name).labels, "cluster"} for name in names), definition


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("airwarden_db_up{queue='x'}", "airwarden_db_up has no label queue"),
        ("sum by (team) (airwarden_db_up)", "no series here has the label team"),
    ],
)
def test_a_wrong_label_is_found(expression: str, complaint: str) -> None:
    assert complaints(expression) == [complaint]


def test_a_metric_that_nobody_emits_is_found() -> None:
    with pytest.raises(WrongInputError, match="airwarden_db_ups"):
        complaints("airwarden_db_ups")


ASSETS = "airwarden_asset_last_update_timestamp_seconds"
FAILING = "airwarden_dag_consecutive_failures"


@pytest.mark.parametrize(
    ("expression", "growing"),
    [
        (FAILING, {"dag_id", "team"}),
        (f"max by (dag_id) ({FAILING})", {"dag_id"}),
        (f"time() - max by (asset) ({ASSETS})", {"asset"}),
        (f"rate({FAILING}[5m])", {"dag_id", "team"}),
        (f"topk(10, {FAILING}) or {FAILING}", {"dag_id", "team"}),
        (f"max without (team) ({FAILING})", {"dag_id"}),
        (f"topk(10, {FAILING})", set()),
        (f"sum({FAILING})", set()),
        (f'{FAILING}{{dag_id="a"}}', {"team"}),
        (f"max by (asset) ({ASSETS}) and on (asset) topk(5, {ASSETS})", set()),
        (f"max by (asset) ({ASSETS}) / on (asset) group_left () topk(5, {ASSETS})", {"asset"}),
        (f"count by (tier) ({ASSETS} > 5)", set()),
    ],
)
def test_a_query_that_grows_with_the_platform_is_found(expression: str, growing: set[str]) -> None:
    assert unbounded(expression) == growing


def test_a_selector_filters_by_cluster_its_variables_and_its_matchers() -> None:
    assert series("m", "tier", state="~a|b", kind="!~c", queue="d") == (
        'm{cluster=~"$cluster",tier=~"$tier",state=~"a|b",kind!~"c",queue="d"}'
    )


def test_a_metric_of_airwarden_itself_is_found_whatever_cluster_is_chosen() -> None:
    assert own("m", kind="a") == 'm{cluster=~"$cluster|airwarden",kind="a"}'


def test_constants_are_one_series_each() -> None:
    expression = constants("type", {"etl": 8500, "ad_hoc": 0.5})
    assert expression.count("label_replace") == 2
    assert 'vector(8500), "type", "etl"' in expression


def test_what_looks_back_over_a_window_asks_for_fewer_points() -> None:
    """Each point costs a window's samples; a hundred show as much as a thousand, over any time."""
    found = {
        panel["title"]: panel.get("maxDataPoints")
        for dashboard in dashboards()
        if dashboard["uid"] == "airwarden-data"
        for panel in panels(dashboard)
    }
    assert found["Broken promises by team"] == 100
    assert found["Spark"] is None
    # Else what fires now would show minutes later.
    assert found["Assets past their limit"] is None
