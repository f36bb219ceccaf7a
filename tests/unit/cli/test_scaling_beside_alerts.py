"""Where alerts and scaling want the same thing, a person is not called before capacity could be added."""

from __future__ import annotations

import pytest

from airwarden.cli.checks.limits import check_limits
from airwarden.core.settings import parse

_BLOCK = """
resource_allocation:
  auto_scaling:
    scale_up_threshold: "{up}% utilization for 5 minutes"
    scale_down_threshold: "40% utilization for 15 minutes"
    max_nodes: 20
    min_nodes: {least}
"""


def found(alerts: str = "", *, up: int = 88, least: int = 2) -> list[tuple[str, str]]:
    settings = parse(_BLOCK.format(up=up, least=least) + alerts, source="a.yaml", environ={})
    places = ("scale_up_threshold", "min_nodes")
    return [
        (one.place.rpartition(".")[2], one.message)
        for one in check_limits(settings)
        if one.place.rpartition(".")[2] in places and "normal" not in one.message
    ]


def test_a_later_and_higher_alert_is_in_nobodys_way() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        ("> 80% for 30m", "fires > 80% already, and capacity is added beyond 88% only"),
        ("> 88% for 30m", "fires > 88% already"),
        ("> 93% for 5m", "fires after 5m, when capacity has not been added yet (after 5m)"),
    ],
)
def test_an_alert_before_the_scaling_is_named(threshold: str, said: str) -> None:
    alerts = f'alerts:\n  AirflowResourceUtilizationHigh: {{threshold: "{threshold}"}}\n'
    ((place, message),) = found(alerts)
    assert place == "scale_up_threshold"
    assert said in message


def test_a_minimum_that_fires_an_alert_is_named() -> None:
    alerts = 'alerts:\n  AirflowWorkersBelowMinimum: {threshold: "< 3 for 5m"}\n'
    ((place, message),) = found(alerts)
    assert (place, message) == (
        "min_nodes",
        "2 fires AirflowWorkersBelowMinimum (< 3): scaled down on purpose, it pages",
    )
    assert found(alerts, least=3) == []
