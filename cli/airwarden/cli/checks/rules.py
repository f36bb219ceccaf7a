"""The rules made from these settings, judged by the rules' own lint."""

from __future__ import annotations

from collections.abc import Iterator

from airwarden.cli.checks.finding import Finding, Level
from airwarden.cli.outputs import rule_config
from airwarden.core.metrics import CATALOGUE
from airwarden.core.own_yaml import load_own
from airwarden.core.settings import Settings
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import RuleConfig
from airwarden.rules.lint import lint, lint_rules
from airwarden.rules.render_prometheus import rule_files


def check_rules(settings: Settings) -> Iterator[Finding]:
    """Yield what the lint finds in the generated rules, and in the operator's own."""
    config = rule_config(settings)
    for found in (
        *lint(config, CATALOGUE.values()),
        *lint_rules(_own_files(settings), CATALOGUE.values(), ours=_recorded(config)),
    ):
        yield Finding(found.place, Level(found.severity.value), found.message, found.hint)
    for path in settings.prometheus.rule_files:
        if not any(path.parent.glob(path.name)):
            yield Finding("prometheus.rule_files", Level.WARNING, f"{path}: there is no such file")


def _own_files(settings: Settings) -> dict[str, str]:
    """Return the operator's rule files; Prometheus takes patterns in the last part of a path."""
    return {
        str(file): file.read_text(encoding="utf-8", errors="replace")
        for path in settings.prometheus.rule_files
        for file in sorted(path.parent.glob(path.name))
        if file.is_file()
    }


def _recorded(config: RuleConfig) -> frozenset[str]:
    return frozenset(
        rule["record"]
        for text in rule_files(resolve(config)).values()
        for group in load_own(text)["groups"]
        for rule in group["rules"]
        if "record" in rule
    )
