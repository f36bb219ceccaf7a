"""Every query parses, asks only for what the catalogue has, and by labels that are there."""

from __future__ import annotations

import promql_parser
import pytest

from airwarden.core.errors import WrongInputError
from airwarden.core.metrics import MetricType, metric
from airwarden.dashboards.queries import constants, series
from support.dashboards import PanelQuery, queries

#: Prometheus' own series of what fires, with the labels that our rules give it.
ALERTS = frozenset(
    {"alertname", "alertstate", "severity", "component", "team", "queue", "hostname"}
)

ALL = [pytest.param(query, id=f"{query.panel}: {query.expr[:60]}") for query in queries()]


def labels_of(selector: promql_parser.VectorSelector) -> frozenset[str]:
    """Return the labels that the selector's series have.

    Raises:
        WrongInputError: The catalogue does not have it.
        AssertionError: It is a histogram without a suffix.
    """
    name = selector.name or ""
    if name == "ALERTS":
        return ALERTS | {"cluster"}
    entry = metric(name)
    if entry.type is MetricType.HISTOGRAM:
        assert name != entry.name, f"{entry.name} is a histogram: add its suffix"
    bucket = {"le"} if name.endswith("_bucket") else set()
    return frozenset({*entry.labels, "cluster", *bucket})


def complaints(expression: str) -> list[str]:
    """Return what is wrong with the names and labels in an expression."""
    found: list[str] = []
    there: set[str] = set()
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


@pytest.mark.parametrize("query", ALL)
def test_it_names_only_what_the_catalogue_has(query: PanelQuery) -> None:
    assert complaints(query.expr) == []


@pytest.mark.parametrize("query", ALL)
def test_all_variables_are_known(query: PanelQuery) -> None:
    assert "$" not in query.expr


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


def test_a_selector_filters_by_cluster_its_variables_and_its_matchers() -> None:
    assert series("m", "tier", state="~a|b", kind="!~c", queue="d") == (
        'm{cluster=~"$cluster",tier=~"$tier",state=~"a|b",kind!~"c",queue="d"}'
    )


def test_constants_are_one_series_each() -> None:
    expression = constants("type", {"etl": 8500, "ad_hoc": 0.5})
    assert expression.count("label_replace") == 2
    assert 'vector(8500), "type", "etl"' in expression
