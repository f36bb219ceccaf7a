"""Each line that a panel draws is an alert's threshold, after the operator's words."""

from __future__ import annotations

from dataclasses import asdict

import yaml

from airwarden.cli.outputs import LIMITS, dashboard_config, resolved
from airwarden.core.settings import parse
from airwarden.core.thresholds import Unit
from airwarden.dashboards.config import Limits
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import RuleConfig

#: By unit: an operator's words, and the line that they draw.
WORDS = {
    Unit.RATIO: ("73%", 0.73),
    Unit.SECONDS: ("74s", 74),
    Unit.COUNT: ("75", 75),
    Unit.SLA: ("SLA + 76%", 1.76),
}


def limits(text: str) -> Limits:
    settings = parse(text, source="airwarden.yaml", environ={})
    return dashboard_config(settings, resolved(settings)).limits


def test_defaults_are_those_of_the_alerts() -> None:
    assert limits("") == Limits()


def test_every_limit_follows_its_alert() -> None:
    assert set(LIMITS) == set(asdict(Limits()))
    rules = resolve(RuleConfig())
    words, lines = {}, {}
    for limit, alert in LIMITS.items():
        context = rules.get(alert)
        assert context is not None
        assert context.threshold is not None
        assert context.threshold.operator is not None
        said, lines[limit] = WORDS[context.threshold.unit]
        words[alert] = {"threshold": f"{context.threshold.operator.value} {said} for 1m"}
    assert asdict(limits(yaml.safe_dump({"alerts": words}))) == lines
