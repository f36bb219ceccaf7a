"""The one entry point for the command line: an installation in, files out."""

from __future__ import annotations

from collections.abc import Mapping

from airwarden.rules import runbook
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import RuleConfig
from airwarden.rules.model import Rules
from airwarden.rules.render_alertmanager import alertmanager_config
from airwarden.rules.render_prometheus import prometheus_config, rule_files


def build(config: RuleConfig) -> Mapping[str, str]:
    """Return relative path → content: Prometheus, its rules, Alertmanager, the runbooks.

    Raises:
        WrongInputError: An override names no alert or does not fit the one it names.
    """
    return written(resolve(config))


def written(rules: Rules) -> Mapping[str, str]:
    """Return the same for rules that were resolved before."""
    config = rules.config
    files = {
        "prometheus/prometheus.yml": prometheus_config(config),
        "alertmanager/alertmanager.yml": alertmanager_config(rules),
    }
    files |= {f"prometheus/rules/{name}": text for name, text in rule_files(rules).items()}
    files |= {
        f"runbooks/{name}.md": runbook.filled(name, config)
        for name in sorted(runbook.names())
        if rules.get(name) is not None
    }
    return files
