"""The rules as values: overrides, what is refused, the framework's words, and the lint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from airwarden.core.alerts import Severity
from airwarden.core.durations import parse_duration
from airwarden.core.errors import NotFoundError, WrongInputError
from airwarden.core.metrics import CATALOGUE, Metric, MetricType
from airwarden.core.thresholds import parse_threshold
from airwarden.rules import runbook
from airwarden.rules.build import build
from airwarden.rules.catalogue import ALERTS, SUBJECTS, resolve
from airwarden.rules.config import AlertOverride, RuleConfig
from airwarden.rules.findings import FindingSeverity
from airwarden.rules.framework import framework_overrides
from airwarden.rules.inhibition import INHIBITIONS, inhibits
from airwarden.rules.lint import lint, lint_routes, lint_rules, template_labels
from airwarden.rules.model import Route

DATA = Path(__file__).parents[2] / "data"
DEMO = timedelta(seconds=1)


def rendered(config: RuleConfig) -> Mapping[str, dict[str, Any]]:
    """Return alert name → rule as Prometheus reads it."""
    return {
        rule["alert"]: rule
        for path, text in build(config).items()
        if path.startswith("prometheus/rules/")
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def override(name: str, **changes: Any) -> RuleConfig:
    return RuleConfig(overrides={name: AlertOverride(**changes)})


def test_the_profile_is_what_the_six_alerts_say_by_default() -> None:
    block = yaml.safe_load((DATA / "monitoring_framework.yaml").read_text())
    alerts = {
        severity: {name: text for item in items for name, text in item.items()}
        for severity, items in block["monitoring_framework"]["alerts"].items()
    }
    overrides = framework_overrides(alerts)
    assert len(overrides) == 6
    assert build(RuleConfig(overrides=overrides)) == build(RuleConfig())


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ({"critical": {"scheduler_lagg": "> 5m"}}, "did you mean scheduler_lag?"),
        ({"fatal": {"scheduler_lag": "> 5m"}}, "expected one of critical, info, warning"),
        ({"critical": {"scheduler_lag": "> 5 minuts"}}, "monitoring_framework.alerts.critical.scheduler_lag"),
        ({"critical": {"scheduler_lag": "> 5m"}, "warning": {"scheduler_lag": "> 1m"}}, "two severities"),
    ],
)  # fmt: skip
def test_a_wrong_framework_is_refused_with_its_key(
    alerts: Mapping[str, Mapping[str, str]], says: str
) -> None:
    with pytest.raises(WrongInputError) as refused:
        framework_overrides(alerts)
    assert says in str(refused.value)


def test_an_override_changes_limit_hold_severity_and_the_words_about_them() -> None:
    rule = rendered(
        override(
            "AirflowSchedulerLagHigh",
            threshold=parse_threshold("> 90s for 2m"),
            severity=Severity.WARNING,
        )
    )["AirflowSchedulerLagHigh"]
    assert rule["expr"] == "max by (cluster) (airwarden_scheduler_lag_seconds) > 90"
    assert rule["for"] == "2m"
    assert rule["labels"]["severity"] == "warning"
    assert "more than 1m30s for 2m" in rule["annotations"]["description"]


def test_only_a_hold_keeps_the_limit() -> None:
    rule = rendered(override("AirflowSchedulerLagHigh", threshold=parse_threshold("for 5s")))
    assert rule["AirflowSchedulerLagHigh"]["expr"].endswith("> 300")
    assert rule["AirflowSchedulerLagHigh"]["for"] == "5s"
    broker = rendered(override("AirflowBrokerDown", threshold=parse_threshold("for 3s")))
    assert broker["AirflowBrokerDown"]["for"] == "3s"


def test_a_share_may_need_more_events_and_another_range() -> None:
    config = override("AirflowDagFailureRateHigh", over=timedelta(minutes=2), at_least=7)
    files = build(config)["prometheus/rules/airwarden-pipelines.yml"]
    assert "cluster:airwarden_dag_runs_ended:increase2m >= 7" in files
    assert "record: cluster_team:airwarden_dag_runs_failed:increase10m" in files


def test_an_absolute_limit_may_replace_the_one_relative_to_the_target() -> None:
    rule = rendered(
        override("AirflowDataFreshnessBreach", threshold=parse_threshold("> 6h for 1h"))
    )
    assert rule["AirflowDataFreshnessBreach"]["expr"].endswith("> 21600")
    assert "sla_seconds" not in rule["AirflowDataFreshnessBreach"]["expr"]


def test_a_disabled_alert_is_gone_everywhere() -> None:
    files = build(override("AirflowDatabaseDown", enabled=False))
    assert not [path for path, text in files.items() if "AirflowDatabaseDown" in text and "runbooks/" not in path]  # fmt: skip
    assert "runbooks/AirflowDatabaseDown.md" not in files


def test_without_the_host_alert_every_silent_scheduler_is_reported() -> None:
    rule = rendered(override("AirflowSchedulerProcessDown", enabled=False))
    assert "unwell" not in rule["AirflowSchedulerHeartbeatLost"]["expr"]


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("AirflowSchedulerLag", {}, "did you mean AirflowSchedulerLagHigh?"),
        ("AirflowSchedulerLagHigh", {"threshold": "> 5%"}, "expected a limit in seconds"),
        ("AirflowSchedulerLagHigh", {"threshold": "> 300"}, "for example '> 5m for 3m'"),
        ("AirflowTaskQueueDepthHigh", {"threshold": "< 5"}, "about too much, not too little"),
        ("AirflowBrokerDown", {"threshold": "> 5 for 3s"}, "for example 'for 15s'"),
        ("AirflowBrokerDown", {"over": timedelta(1)}, "takes no rate over a range"),
        ("AirflowBrokerDown", {"at_least": 3}, "not about a share"),
        ("AirflowSchedulerLagHigh", {"threshold": "> 5m for 3m", "hold": timedelta(1)}, "two different lengths"),
    ],
)  # fmt: skip
def test_an_override_that_does_not_fit_is_refused_with_its_key(
    name: str, changes: dict[str, Any], says: str
) -> None:
    if "threshold" in changes:
        changes = {**changes, "threshold": parse_threshold(changes["threshold"])}
    with pytest.raises(WrongInputError) as refused:
        resolve(override(name, **changes))
    assert str(refused.value).startswith(f"alerts.{name}")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "scrape", [timedelta(seconds=1), timedelta(seconds=15), timedelta(minutes=1)]
)
def test_ranges_hold_four_scrapes_and_every_rule_parses_as_prometheus_3_reads_it(
    scrape: timedelta,
) -> None:
    quick = {name: AlertOverride(threshold=parse_threshold("for 3s")) for name in ALERTS}
    config = RuleConfig(scrape_interval=scrape, evaluation_interval=scrape, overrides=quick)
    expressions = [
        rule["expr"]
        for path, text in build(config).items()
        if path.startswith("prometheus/rules/")
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    ]
    ranges = [found for text in expressions for found in _ranges(promql_parser.parse(text))]
    assert len(ranges) > 10
    assert min(ranges) >= 4 * scrape


def _ranges(tree: Any) -> list[timedelta]:
    found = [tree.range] if isinstance(tree, promql_parser.MatrixSelector) else []
    for name in ("expr", "lhs", "rhs"):
        if getattr(tree, name, None) is not None:
            found += _ranges(getattr(tree, name))
    for child in getattr(tree, "args", ()):
        found += _ranges(child)
    return found


def test_long_holds_survive_a_missed_scrape_and_short_ones_end_soon() -> None:
    default = rendered(RuleConfig())["AirflowResourceUtilizationHigh"]
    assert "max_over_time(airwarden_cluster_utilization_ratio[5m])" in default["expr"]
    assert default["keep_firing_for"] == "10m"
    demo = rendered(
        dataclasses.replace(
            override("AirflowResourceUtilizationHigh", threshold=parse_threshold("for 5s")),
            scrape_interval=DEMO,
        )
    )["AirflowResourceUtilizationHigh"]
    assert "[4s]" in demo["expr"]
    assert demo["keep_firing_for"] == "2s"


def test_every_alert_says_what_the_contract_asks_of_it() -> None:
    for name, rule in rendered(RuleConfig()).items():
        assert rule["labels"]["severity"] in {"critical", "warning", "info", "none"}
        assert set(rule["annotations"]) == {
            "summary",
            "description",
            "runbook_url",
            "dashboard_url",
        }
        assert rule["annotations"]["runbook_url"].endswith(f"/{name}.md")
        assert not {"<<", ">>"} & set(rule["annotations"]["description"].split())
        parse_duration(rule["for"])


def test_every_label_in_a_template_is_one_the_expression_keeps() -> None:
    for name, rule in rendered(RuleConfig()).items():
        used = template_labels(rule["annotations"]["summary"] + rule["annotations"]["description"])
        missing = {label for label in used if label not in rule["expr"] and label != "cluster"}
        assert not missing, (name, missing)


def test_several_clusters_are_each_expected_and_airwardens_own_alerts_name_all() -> None:
    config = RuleConfig(clusters=("east", "west"))
    rules = rendered(config)
    files = build(config)["prometheus/rules/airwarden-airwarden.yml"]
    assert '"cluster", "east"' in files
    assert '"cluster", "west"' in files
    assert rules["AirwardenRemediatorDown"]["labels"]["cluster"] == "all"
    assert rules["Watchdog"]["annotations"]["dashboard_url"].endswith("var-cluster=all")


def test_a_deep_queue_does_not_mute_what_has_a_remedy_of_its_own() -> None:
    for symptom in ("AirflowBacklogGrowing", "AirflowQueueDrift"):
        assert not inhibits("AirflowTaskQueueDepthHigh", symptom)


def test_inhibitions_name_real_alerts_and_none_mutes_its_own_cause() -> None:
    for rule in INHIBITIONS:
        assert {*rule.causes, *rule.symptoms} <= set(ALERTS)
        assert not set(rule.causes) & set(rule.symptoms)
    muting = [(a, b) for a in ALERTS for b in ALERTS if inhibits(a, b) and inhibits(b, a)]
    assert muting == []


def test_no_alert_about_airwarden_itself_is_held_back_from_people() -> None:
    direct = {name for name, rule in ALERTS.items() if rule.route is not Route.REMEDIATOR}
    assert direct == {
        "AirflowExporterDown", "AirwardenRemediatorDown", "AirwardenAlertNotTaken", "Watchdog",
        "AirwardenPageNotDelivered",
    }  # fmt: skip
    assert not [a for rule in INHIBITIONS for a in rule.symptoms if a in direct]


def test_the_subjects_hold_every_alert_once() -> None:
    names = [rule.name for subject in SUBJECTS for rule in subject.alerts]
    assert sorted(names) == sorted(set(names)) == sorted(ALERTS)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert runbook.names() == set(ALERTS)
    with pytest.raises(NotFoundError):
        runbook.read("../../../etc/passwd")


LAG = Metric("airwarden_scheduler_lag_seconds", MetricType.GAUGE, (), "Lag.", "database")
DELAY = Metric("airwarden_delay_seconds", MetricType.HISTOGRAM, ("tier",), "Delay.", "database")


def test_the_rules_use_only_what_the_catalogue_has() -> None:
    assert [
        f for f in lint(RuleConfig(), CATALOGUE.values()) if f.severity is FindingSeverity.ERROR
    ] == []


def findings(rule: str) -> list[str]:
    text = f"groups:\n- name: g\n  rules:\n  - {rule}\n"
    found = lint_rules({"own.yml": text}, [LAG, DELAY])
    assert all(finding.place.startswith("own.yml: ") for finding in found)
    assert all(finding.severity is FindingSeverity.ERROR for finding in found)
    return [finding.message for finding in found]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("{record: a, expr: airwarden_lag}", ["nothing emits airwarden_lag"]),
        ("{record: a, expr: 'sum(airwarden_delay_seconds_bucket{tier=\"x\", le=\"1.0\"})'}", []),
        ("{record: a, expr: 'sum(airwarden_delay_seconds_bucket{le=\"1\"})'}", ["le is an integer: Prometheus 3 stores 1 as 1.0"]),
        ("{record: a, expr: 'limitk(3, airwarden_scheduler_lag_seconds)'}", ["Prometheus 2.42 has no limitk"]),
        ("{record: a, expr: 'sum by (cluster) (airwarden_scheduler_lag_seconds) >'}", ["Prometheus 3 would refuse it"]),
        ("{record: a}", ["a rule needs expr, and either alert or record"]),
        ("{record: a, expr: }", ["a rule needs expr, and either alert or record"]),
        ("{alert: A, expr: up, labels: critical}", ["labels are names with values"]),
        ("{alert: A, expr: up, annotations: [summary]}", ["annotations are names with values"]),
        ("{record: a, expr: airwarden_scheduler_lag_seconds_sum}", ["nothing emits airwarden_scheduler_lag_seconds_sum"]),
        ("{record: a, expr: 'airwarden_scheduler_lag_seconds{tear=\"x\"}'}", ["airwarden_scheduler_lag_seconds has no label tear"]),
        ("{record: a, expr: '{__name__=~\"airwarden_.*\"}'}", ["a selector names no metric"]),
        ("{record: a, expr: a + up + ALERTS}", []),
        ("{record: a, expr: 'holt_winters(up[5m], 0.5, 0.5)'}", ["Prometheus 3 would refuse it"]),
        ("{alert: A, expr: up, labels: {severity: critical, component: x, v: '{{ $value }}'}, annotations: {summary: s, description: d, runbook_url: r, dashboard_url: d}}", ["label v holds $value: every change of it is a new alert", "has no runbook"]),
        ("{alert: Watchdog, expr: up, labels: {severity: none}}", ["has no label component", "has no annotation summary", "has no annotation description", "has no annotation runbook_url", "has no annotation dashboard_url"]),
    ],
)  # fmt: skip
def test_the_lint_names_what_prometheus_would_not(rule: str, says: list[str]) -> None:
    found = findings(rule)
    assert len(found) == len(says)
    assert all(message.startswith(start) for message, start in zip(found, says, strict=True))


def test_the_lint_names_alerts_that_would_reach_nobody() -> None:
    places = {finding.place for finding in lint_routes(RuleConfig())}
    assert places == {
        "notifications.pagerduty", "notifications.slack", "notifications.heartbeat",
        "remediator.webhook_token_file",
    }  # fmt: skip
