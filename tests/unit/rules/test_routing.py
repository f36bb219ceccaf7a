"""A site's Alertmanager configuration is read as Alertmanager reads it, or refused with its place."""

from __future__ import annotations

from typing import Any

import pytest

from airwarden.core.errors import WrongInputError
from airwarden.rules.routing import check_form, parse_route

RECEIVERS = [{"name": "ops"}]


def below(**route: Any) -> dict[str, Any]:
    return {"route": {"receiver": "ops", "routes": [route]}, "receivers": RECEIVERS}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"route": "ops"}, "route"),
        ({"route": {"receiver": "ops", "routes": "db"}}, "route.routes"),
        ({"route": {"receiver": "ops", "routes": [None]}}, "route.routes[0]"),
        ({"route": {"receiver": "ops", "group_by": 5}}, "route.group_by"),
        ({"route": {"receiver": "ops", "matchers": ["a=b"]}}, "route"),
        (below(matchers="a=b"), "route.routes[0].matchers"),
        (below(match="a"), "route.routes[0].match"),
        (below(routes=[below(routes=7)["route"]]), "route.routes[0].routes[0].routes[0].routes"),
        ({**below(), "receivers": {"ops": {}}}, "receivers"),
        ({**below(), "receivers": ["ops"]}, "receivers[0]"),
        ({**below(), "inhibit_rules": ["a"]}, "inhibit_rules[0]"),
        ({**below(), "inhibit_rules": [{"target_match": "a"}]}, "inhibit_rules[0].target_match"),
        ({**below(), "time_intervals": ["day"]}, "time_intervals[0]"),
    ],
)
def test_what_has_another_form_is_refused_with_its_place(
    document: dict[str, Any], place: str
) -> None:
    with pytest.raises(WrongInputError) as caught:
        check_form(document)
    assert caught.value.place == place


def test_what_is_left_empty_is_inherited() -> None:
    root = {"receiver": "ops", "group_by": ["team"], "group_wait": "20s", "routes": [
        {"group_by": None, "group_wait": None, "matchers": None, "routes": None},
    ]}  # fmt: skip
    check_form({"route": root, "receivers": RECEIVERS, "inhibit_rules": None})
    (child,) = parse_route(root).routes
    assert (child.receiver, child.group_by, child.waits[0]) == ("ops", ("team",), 20.0)


@pytest.mark.parametrize("pattern", ["db(?i)1", r"\\pL+", "[[:alpha:]]+"])
def test_a_regular_expression_that_cannot_be_followed_is_refused_and_not_guessed_at(
    pattern: str,
) -> None:
    route = {"receiver": "ops", "routes": [{"matchers": [f'team=~"{pattern}"']}]}
    with pytest.raises(WrongInputError, match="cannot follow the regular expression") as caught:
        parse_route(route)
    assert caught.value.place == "route.routes[0]"
