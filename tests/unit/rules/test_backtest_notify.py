"""Holding as Prometheus does it, and telling as Alertmanager does it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from airwarden.core.errors import WrongInputError
from airwarden.rules.backtest.episodes import Episode, Sent
from airwarden.rules.backtest.holding import Active, fired
from airwarden.rules.backtest.notify import Alertmanager
from airwarden.rules.backtest.vectors import Vector
from airwarden.rules.routing import parse_route, split_matchers

STEP = 15.0


def held(pattern: str, hold: float, keep: float, blocks: int = 1) -> list[tuple[int, int | None]]:
    """`#` where the expression holds; returns when the alert fires and is resolved."""
    active = Active()
    size = math.ceil(len(pattern) / blocks)
    for first in range(0, len(pattern), size):
        piece = pattern[first : first + size]
        present = np.array([[char == "#" for char in piece]])
        active.add(Vector(({"cluster": "c"},), np.ones(present.shape), present), first)
    firings = fired(active, hold, keep, STEP, len(pattern), {"alertname": "A"})
    return [(firing.fires, firing.resolved) for firing in firings]


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize(
    ("pattern", "hold", "keep", "expected"),
    [
        ("..####..", 30, 0, [(4, 6)]),
        ("..##....", 30, 0, []),  # ended one evaluation too soon
        ("..###...", 30, 0, [(4, 5)]),
        ("..######", 30, 0, [(4, None)]),
        ("..#.....", 0, 0, [(2, 3)]),
        ("..###...####..", 30, 45, [(4, None)]),
        ("..###.........", 30, 45, [(4, 8)]),
        ("..###...###...####", 30, 30, [(4, 7), (10, 13), (16, None)]),
    ],
)
def test_for_and_keep_firing_for(
    blocks: int, pattern: str, hold: float, keep: float, expected: list[Any]
) -> None:
    assert held(pattern, hold, keep, blocks) == expected


def alert(number: int, starts: float, ends: float = math.inf, **labels: str) -> Sent:
    own = {"alertname": "A", "cluster": "c", "severity": "warning", **labels}
    return Sent.of(own, starts, ends, number)


def told(episodes: list[Episode]) -> list[list[tuple[float, str, int]]]:
    return [[(n.at, n.kind, n.firing) for n in e.notifications] for e in episodes]


CONFIG: dict[str, Any] = {
    "route": {
        "receiver": "all",
        "group_by": ["cluster", "alertname"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "4h",
        "routes": [{"receiver": "night", "matchers": ['team="owls"'], "group_by": ["..."]}],
    },
    "inhibit_rules": [
        {"source_matchers": ["alertname=Cause"], "target_matchers": ["alertname=A"],
         "equal": ["cluster"]}
    ],
    "receivers": [{"name": "all", "webhook_configs": [{"url": "http://x"}]}, {"name": "night"}],
}  # fmt: skip


def test_a_group_waits_gathers_and_tells_of_its_end() -> None:
    alerts = [alert(n, 10.0 * n, 1000.0, dag=str(n)) for n in range(3)]
    found = Alertmanager(CONFIG).episodes(alerts, 10_000)
    assert told(found) == [[(30.0, "first", 3), (1230.0, "resolved", 0)]]
    assert found[0].ended == 1230.0


def test_one_that_joins_later_is_told_at_the_next_interval() -> None:
    found = Alertmanager(CONFIG).episodes([alert(0, 0), alert(1, 100, dag="x")], 2000)
    assert told(found) == [[(30.0, "first", 1), (330.0, "more", 2)]]


def test_what_goes_on_is_repeated_after_more_than_its_interval() -> None:
    found = Alertmanager(CONFIG).episodes([alert(0, 0)], 9 * 3600)
    # 30 s + 4 h is a flush at which exactly 4 h have passed: not yet more.
    assert told(found) == [[(30.0, "first", 1), (14_730.0, "repeat", 1), (29_430.0, "repeat", 1)]]


def test_a_symptom_is_not_told_while_its_cause_fires() -> None:
    cause = alert(0, 0, 3000, alertname="Cause")
    found = Alertmanager(CONFIG).episodes([cause, alert(1, 5, 2000)], 10_000)
    assert [e.group for e in found] == [(("alertname", "Cause"), ("cluster", "c"))]
    longer = Alertmanager(CONFIG).episodes([cause, alert(1, 5, 5000)], 10_000)
    assert told(longer)[1][0] == (3035.0, "first", 1)


def test_an_end_that_was_inhibited_is_told_when_its_cause_is_gone() -> None:
    cause = alert(0, 500, 1200, alertname="Cause")
    (symptom, _) = Alertmanager(CONFIG).episodes([alert(1, 0, 900), cause], 10_000)
    assert [(n.kind, n.at > 1200) for n in symptom.notifications] == [
        ("first", False),
        ("resolved", True),
    ]
    # Nobody sends it any more once a quarter of an hour has passed.
    long = alert(0, 500, 9000, alertname="Cause")
    (symptom, _) = Alertmanager(CONFIG).episodes([alert(1, 0, 900), long], 20_000)
    assert [n.kind for n in symptom.notifications] == ["first"]


def test_fifteen_thousand_alerts_are_one_notification_and_no_group_for_all_labels_is_many() -> None:
    many = [alert(n, 0, 600, dag=str(n)) for n in range(15_000)]
    found = Alertmanager(CONFIG).episodes(many, 10_000)
    assert (len(found), found[0].told) == (1, 1)
    few = [alert(n, 0, 600, dag=str(n), team="owls") for n in range(20)]
    assert len(Alertmanager(CONFIG).episodes(few, 10_000)) == 20


def test_a_route_is_silent_in_its_time_interval_and_speaks_after_it() -> None:
    config = {**CONFIG, "route": {**CONFIG["route"], "routes": [], "receiver": "all"}}
    config["route"]["routes"] = [
        {"receiver": "night", "matchers": ["severity=warning"], "mute_time_intervals": ["weekend"]}
    ]
    calendar = lambda name, at: name == "weekend" and at < 1000  # noqa: E731
    found = Alertmanager(config, calendar).episodes([alert(0, 0)], 2000)
    assert told(found)[0][0] == (1230.0, "first", 1)


def test_a_route_takes_the_first_that_fits_and_goes_on_only_where_it_says_so() -> None:
    root = parse_route(
        {
            "receiver": "default",
            "routes": [
                {"receiver": "log", "continue": True, "match": {"team": "a"}},
                {"receiver": "a", "matchers": ['{team="a", tier=~"critical|high"}']},
                {"receiver": "rest", "match_re": {"team": "a|b"}},
            ],
        }
    )

    def receivers(**labels: str) -> list[str]:
        return [node.receiver for node in root.match(labels)]

    assert receivers(team="a", tier="high") == ["log", "a"]
    assert receivers(team="a", tier="low") == ["log", "rest"]
    assert receivers(team="c") == ["default"]


def test_matchers_are_read_as_alertmanager_reads_them() -> None:
    assert split_matchers('{a="x,y", b=~"p|q"}') == ['a="x,y"', ' b=~"p|q"']
    with pytest.raises(WrongInputError, match="no matcher"):
        parse_route({"receiver": "r", "matchers": ["a b"]})


def test_who_fires_again_after_its_end_is_told_again() -> None:
    found = Alertmanager(CONFIG).episodes([alert(0, 0, 100), alert(1, 5000, 5100)], 20_000)
    assert told(found) == [
        [(30.0, "first", 1), (330.0, "resolved", 0)],
        [(5030.0, "first", 1), (5330.0, "resolved", 0)],
    ]
