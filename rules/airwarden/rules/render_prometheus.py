"""From typed rules to what Prometheus reads: rule files and the scrape configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit
from airwarden.rules.airwarden_itself import EXPORTER_JOB, REMEDIATOR_JOB
from airwarden.rules.catalogue import SUBJECTS
from airwarden.rules.config import RuleConfig, ServerAccess
from airwarden.rules.model import Context, RecordingRule, Route, Rules, Subject
from airwarden.rules.promql import quoted, usual
from airwarden.rules.yaml_text import dump

#: The dashboard that says most of a component's alerts; of the others the overview does.
DASHBOARDS: Mapping[str, str] = {
    "airwarden": "airwarden-itself",
    "broker": "airwarden-workers",
    "capacity": "airwarden-workers",
    "dag-processor": "airwarden-scheduler",
    "data": "airwarden-data",
    "database": "airwarden-database",
    "kubernetes": "airwarden-kubernetes",
    "objectives": "airwarden-objectives",
    "platform": "airwarden-tasks",
    "queue": "airwarden-tasks",
    "scheduler": "airwarden-scheduler",
    "triggerer": "airwarden-scheduler",
    "worker": "airwarden-workers",
}
OVERVIEW = "airwarden-overview"
#: Where the metrics are recorded that come from the site's own series.
MAPPED_FILE = "airwarden-mapped.yml"


def rule_files(rules: Rules) -> Mapping[str, str]:
    """Return file name → content, one file a subject; a subject without rules has none."""
    files = {}
    if rules.config.mapped:
        files[MAPPED_FILE] = dump({"groups": _mapped_groups(rules.config)})
    for subject in SUBJECTS:
        groups = [group for group in _groups(subject, rules) if group["rules"]]
        if groups:
            files[f"airwarden-{subject.name}.yml"] = dump({"groups": groups})
    return files


def rule_groups(rules: Rules) -> list[dict[str, Any]]:
    """Return all groups of rules as Prometheus reads them."""
    groups = [*_mapped_groups(rules.config)]
    for subject in SUBJECTS:
        groups += _groups(subject, rules)
    return [group for group in groups if group["rules"]]


def _mapped_groups(config: RuleConfig) -> list[dict[str, Any]]:
    """Return a group for each cluster that has metrics of the site's own."""
    return [
        {
            "name": f"airwarden-mapped-{cluster}",
            "rules": [
                {
                    "record": rule.record,
                    "expr": rule.expr,
                    "labels": {"cluster": cluster, **rule.labels},
                }
                for rule in config.mapped
                if rule.cluster == cluster
            ],
        }
        for cluster in dict.fromkeys(rule.cluster for rule in config.mapped)
    ]


def _groups(subject: Subject, rules: Rules) -> list[dict[str, Any]]:
    contexts = [variant for alert in subject.alerts for variant in rules.variants(alert.name)]
    measures = {
        measure.record: measure
        for context in contexts
        if context.rule.measure and (measure := context.rule.measure(rules.config))
    }
    recordings = [
        *(subject.recordings(rules) if subject.recordings else ()),
        *(RecordingRule(measure.record, measure.expr) for measure in measures.values()),
    ]
    name = f"airwarden-{subject.name}"
    own = {
        "name": name,
        "rules": [*map(_recording, recordings), *map(alert_entry, contexts)],
    }
    compared = {
        measure.usual: RecordingRule(measure.usual, usual(measure))
        for context in contexts
        if context.rule.measure and context.threshold and context.threshold.unit is Unit.USUAL
        if (measure := context.rule.measure(rules.config))
    }
    baseline = {
        "name": f"{name}-usual",
        "interval": format_duration(max(timedelta(minutes=1), rules.config.evaluation_interval)),
        "rules": [*map(_recording, compared.values())],
    }
    slow = {
        "name": f"{name}-slow",
        "interval": format_duration(max(timedelta(minutes=2), rules.config.evaluation_interval)),
        "rules": [
            *map(_recording, subject.slow_recordings(rules) if subject.slow_recordings else ())
        ],
    }
    # Dashboards multiply by this minute, whatever the installation's own interval.
    shown = {
        "name": f"{name}-shown",
        "interval": "1m",
        "rules": [*map(_recording, subject.shown)],
    }
    return [baseline, slow, shown, own]


def _recording(rule: RecordingRule) -> dict[str, Any]:
    entry: dict[str, Any] = {"record": rule.record, "expr": rule.expr}
    if rule.labels:
        entry["labels"] = dict(rule.labels)
    return entry


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
    component = "{{ $labels.component }}" if rule.of_series else rule.component
    labels = {"severity": context.severity.value, "component": component}
    if rule.about_airwarden:
        # A template sees the labels of the series only, not those that the rule adds.
        labels["cluster"] = cluster = context.config.home
    entry["labels"] = labels
    entry["annotations"] = {
        "summary": context.text(rule.summary),
        "description": context.text(rule.description) + _worst(context),
        "runbook_url": f"{context.config.runbooks}/{rule.name}.md",
        "dashboard_url": (
            f"{context.config.dashboard_base_url.rstrip('/')}"
            f"/d/{DASHBOARDS.get(rule.component, OVERVIEW)}?var-cluster={cluster}"
        ),
    }
    return entry


def _worst(context: Context) -> str:
    """Return the template that names the few worst offenders."""
    if context.rule.worst is None:
        return ""
    worst = context.rule.worst(context)
    given = "".join(f" $labels.{label}" for label in worst.given)
    query = quoted(f"topk(5, {worst.query})")
    return (
        f" Worst:{{{{ range printf {query}{given} | query | sortByLabel {quoted(worst.label)} }}}}"
        f" {{{{ .Labels.{worst.label} }}}} ({{{{ .Value | humanize }}}}){{{{ end }}}}."
    )


def prometheus_config(config: RuleConfig, own_rules: str = "rules/*.yml") -> str:
    """Return `prometheus.yml`.

    Args:
        config: The installation.
        own_rules: Where the generated rule files lie, relative to the file.
    """
    scrape = config.scrape_interval
    targets = [
        (EXPORTER_JOB, config.exporters, access(config.exporter_access)),
        (
            REMEDIATOR_JOB,
            config.remediators if config.remediator else (),
            access(config.remediator.access) if config.remediator else {},
        ),
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
            "alerting": {"alertmanagers": _alertmanagers(config)},
            "scrape_configs": [
                {"job_name": job, **way_in, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses, way_in in targets
                if addresses
            ],
        }
    )


def _alertmanagers(config: RuleConfig) -> list[dict[str, Any]]:
    """Return where alerts are sent, one entry for each scheme and path."""
    alike: dict[tuple[str, str], list[str]] = {}
    for url in config.alertmanagers:
        parts = urlsplit(url)
        alike.setdefault((parts.scheme, parts.path.rstrip("/")), []).append(parts.netloc)
    return [
        {
            **access(replace(config.alertmanager_access, https=scheme == "https")),
            **({"path_prefix": path} if path else {}),
            "static_configs": [{"targets": targets}],
        }
        for (scheme, path), targets in alike.items()
    ]


def access(of: ServerAccess) -> dict[str, Any]:
    """Return what a scrape job, or a place to send to, says of how to get in."""
    found: dict[str, Any] = {}
    if of.https:
        tls = tls_config(of)
        found |= {"scheme": "https", **({"tls_config": tls} if tls else {})}
    if of.password_file:
        found["basic_auth"] = {"username": of.username, "password_file": of.password_file}
    if of.token_file:
        found["authorization"] = {"type": "Bearer", "credentials_file": of.token_file}
    return found


def tls_config(of: ServerAccess) -> dict[str, Any]:
    """Return how the other side is checked, and what is shown to it."""
    names = ("ca_file", "cert_file", "key_file", "server_name")
    found: dict[str, Any] = {name: getattr(of, name) for name in names if getattr(of, name)}
    if not of.verify:
        found["insecure_skip_verify"] = True
    return found


def paged_directly(rules: Rules) -> tuple[str, ...]:
    """Return the names of the enabled alerts that go past the remediator to a person."""
    return tuple(c.name for c in rules.all() if c.rule.route is Route.PAGER)
