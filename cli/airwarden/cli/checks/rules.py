"""The rules made from these settings, judged by the rules' own lint."""

from __future__ import annotations

from collections.abc import Iterator

from airwarden.cli.checks.finding import Finding, Level
from airwarden.cli.outputs import rule_config
from airwarden.core.metrics import CATALOGUE
from airwarden.core.settings import Settings
from airwarden.rules.lint import lint


def check_rules(settings: Settings) -> Iterator[Finding]:
    """Yield what the lint finds."""
    for found in lint(rule_config(settings), CATALOGUE.values()):
        yield Finding(found.place, Level(found.severity.value), found.message, found.hint)
