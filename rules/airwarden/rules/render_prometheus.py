"""From typed rules to what Prometheus reads: rule files and the scrape configuration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airwarden.core.durations import format_duration
from airwarden.rules.airwarden_itself import EXPORTER_JOB, REMEDIATOR_JOB
from airwarden.rules.catalogue import SUBJECTS
from airwarden.rules.config import RuleConfig
from airwarden.rules.model import Context, Route, Rules, Subject
from airwarden.rules.yaml_text import dump

_DASHBOARD = "/d/airwarden-overview"


def rule_files(rules: Rules) -> Mapping[str, str]:
    """Return file name → content, one file a subject; a subject without rules has none."""
    files = {}
    for subject in SUBJECTS:
        group = _group(subject, rules)
        if group["rules"]:
            files[f"airwarden-{subject.name}.yml"] = dump({"groups": [group]})
    return files


def _group(subject: Subject, rules: Rules) -> dict[str, Any]:
    recordings = subject.recordings(rules) if subject.recordings else ()
    entries: list[dict[str, Any]] = [
        {"record": recording.record, "expr": recording.expr} for recording in recordings
    ]
    for alert in subject.alerts:
        context = rules.get(alert.name)
        if context is not None:
            entries.append(alert_entry(context))
    return {"name": f"airwarden-{subject.name}", "rules": entries}


def alert_entry(context: Context) -> dict[str, Any]:
    """Return one alerting rule as Prometheus writes it."""
    rule = context.rule
    entry: dict[str, Any] = {
        "alert": rule.name,
        "expr": rule.expr(context),
        "for": format_duration(context.hold),
    }
    if context.keep:
        entry["keep_firing_for"] = format_duration(context.keep)
    cluster = "{{ $labels.cluster }}"
    labels = {"severity": context.severity.value, "component": rule.component}
    if rule.about_airwarden:
        # A template sees the labels of the series only, not those that the rule adds.
        labels["cluster"] = cluster = context.config.home
    entry["labels"] = labels
    entry["annotations"] = {
        "summary": context.text(rule.summary),
        "description": context.text(rule.description),
        "runbook_url": f"{context.config.runbooks}/{rule.name}.md",
        "dashboard_url": (
            f"{context.config.dashboard_base_url.rstrip('/')}{_DASHBOARD}?var-cluster={cluster}"
        ),
    }
    return entry


def prometheus_config(config: RuleConfig, own_rules: str = "rules/*.yml") -> str:
    """Return `prometheus.yml`.

    Args:
        config: The installation.
        own_rules: Where the generated rule files lie, relative to the file.
    """
    scrape = config.scrape_interval
    targets = [
        (EXPORTER_JOB, config.exporters),
        (REMEDIATOR_JOB, config.remediators if config.remediator else ()),
    ]
    return dump(
        {
            "global": {
                "scrape_interval": format_duration(scrape),
                # Prometheus refuses a timeout longer than the interval.
                "scrape_timeout": format_duration(min(scrape, timedelta(seconds=10))),
                "evaluation_interval": format_duration(config.evaluation_interval),
            },
            "rule_files": [own_rules, *config.rule_files],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": list(config.alertmanagers)}]}]
            },
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses in targets
                if addresses
            ],
        }
    )


def paged_directly(rules: Rules) -> tuple[str, ...]:
    """Return the names of the enabled alerts that go past the remediator to a person."""
    return tuple(c.name for c in rules.all() if c.rule.route is Route.PAGER)
