"""What `airwarden build --only kubernetes` makes of a site's settings: valid objects that mean what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from airwarden.cli.kubernetes_objects import kubernetes_files
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings, parse
from airwarden.dashboards.config import DashboardConfig
from support.manifests import Manifest, by_key, kustomized, violations
from support.promtool import holds
from support.repository import ROOT

SITE = """
clusters:
  - name: production
    airflow: {url: "http://airflow:8080", auth: {token_file: t}}
    host: {kubernetes: {namespace: flow, release: prod}}
prometheus: {url: "http://prometheus:9090"}
remediator:
  url: http://airwarden-remediator.airwarden.svc:9811
  webhook_token_file: secrets/webhook-token
  api_token_file: a
notifications:
  pagerduty: {routing_key_file: secrets/pagerduty-key}
  slack: {token_file: secrets/slack-token, default_channel: "#airflow"}
resource_allocation:
  priority_classes:
    critical: {weight: 100, guaranteed_resources: "50%"}
    high: {weight: 75, guaranteed_resources: "30%"}
    medium: {weight: 50, guaranteed_resources: "15%"}
    low: {weight: 25, guaranteed_resources: "5%"}
  auto_scaling:
    scale_up_threshold: "85% utilization for 5 minutes"
    scale_down_threshold: "40% utilization for 15 minutes"
    max_nodes: 2000
    min_nodes: 100
"""


def settings(text: str = SITE) -> Settings:
    return parse(text, source="airwarden.yaml", environ={})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Manifest]:
    """Write the folder, and let kustomize read it."""
    folder = tmp_path_factory.mktemp("built")
    for path, text in kubernetes_files(settings()).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return kustomized(folder / "kubernetes")


def nothing_drawn(config: DashboardConfig) -> Callable[[], Mapping[str, str]]:
    return dict


def of_kind(things: Sequence[Manifest], kind: str) -> list[Manifest]:
    return [thing for thing in things if thing["kind"] == kind]


def test_every_object_is_taken(built: Sequence[Manifest]) -> None:
    assert [why for thing in built for why in violations(thing)] == []
    kinds = {kind for kind, _, _ in by_key(built)}
    assert kinds == {
        *("PrometheusRule", "AlertmanagerConfig", "ConfigMap", "PriorityClass", "ScaledObject")
    }


def test_alerts_carry_the_namespace_by_which_the_operator_routes(built: Sequence[Manifest]) -> None:
    (routing,) = of_kind(built, "AlertmanagerConfig")
    rules = [
        rule
        for thing in of_kind(built, "PrometheusRule")
        for group in thing["spec"]["groups"]
        for rule in group["rules"]
    ]
    alerts = [rule for rule in rules if "alert" in rule]
    assert len(alerts) > 50
    assert {rule["labels"]["namespace"] for rule in alerts} == {routing["metadata"]["namespace"]}
    assert all("namespace" not in rule.get("labels", {}) for rule in rules if "record" in rule)
    named = routing["spec"]["route"]["matchers"][0]["value"].split("|")
    assert {rule["alert"] for rule in alerts} == set(named)


def test_the_remediator_is_told_and_secrets_are_keys_of_one_secret(
    built: Sequence[Manifest],
) -> None:
    (routing,) = of_kind(built, "AlertmanagerConfig")
    receivers = {one["name"]: one for one in routing["spec"]["receivers"]}
    (webhook,) = receivers["airwarden-remediator"]["webhookConfigs"]
    assert webhook["url"] == "http://airwarden-remediator.airwarden.svc:9811/api/v1/alerts"
    key = {"name": "airwarden-secrets", "key": "webhook-token"}
    assert webhook["httpConfig"]["authorization"] == {"type": "Bearer", "credentials": key}
    (pager,) = receivers["airwarden-pager"]["pagerdutyConfigs"]
    assert pager["routingKey"]["key"] == "pagerduty-key"
    (chat,) = receivers["airwarden-chat"]["slackConfigs"]
    assert chat["apiURL"]["key"] == "slack-api-url"

    def named(route: dict[str, Any]) -> set[str]:
        return {route["receiver"]}.union(*map(named, route.get("routes", ())))

    assert named(routing["spec"]["route"]) <= set(receivers)
    assert all(one["sourceMatch"] and one["targetMatch"] for one in routing["spec"]["inhibitRules"])


def test_dashboards_are_found_by_grafanas_sidecar(built: Sequence[Manifest]) -> None:
    boards = of_kind(built, "ConfigMap")
    drawn = {path.stem for path in (ROOT / "dashboards/grafana").glob("*.json")}
    assert {board["metadata"]["name"] for board in boards} == {f"dashboard-{one}" for one in drawn}
    for board in boards:
        assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
        (text,) = board["data"].values()
        assert len(text) < 1_000_000, "a ConfigMap holds a MiB"


def test_classes_are_ordered_by_weight_and_take_no_running_task_its_place(
    built: Sequence[Manifest],
) -> None:
    classes = {one["metadata"]["name"]: one for one in of_kind(built, "PriorityClass")}
    values = {name: one["value"] for name, one in classes.items()}
    assert values == {
        "airflow-critical": 100_000,
        "airflow-high": 75_000,
        "airflow-medium": 50_000,
        "airflow-low": 25_000,
    }
    assert {one["preemptionPolicy"] for one in classes.values()} == {"Never"}
    assert not any(one["globalDefault"] for one in classes.values())


def test_workers_are_scaled_within_the_operators_bounds(built: Sequence[Manifest]) -> None:
    (scaled,) = of_kind(built, "ScaledObject")
    spec = scaled["spec"]
    assert (scaled["metadata"]["namespace"], spec["scaleTargetRef"]["name"]) == (
        "flow",
        "prod-worker",
    )
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (100, 2000)
    (trigger,) = spec["triggers"]
    assert trigger["metadata"]["threshold"] == "0.85"
    assert trigger["metadata"]["ignoreNullValues"] == "false"


def test_one_worker_stays_to_be_measured() -> None:
    site = SITE.replace("min_nodes: 100", "min_nodes: 0")
    assert site != SITE
    text = kubernetes_files(settings(site), nothing_drawn)["kubernetes/scaled-objects.yaml"]
    assert yaml.safe_load(text)["spec"]["minReplicaCount"] == 1


def test_the_query_says_met_between_the_limits_and_the_truth_once_beyond_long_enough(
    built: Sequence[Manifest], tmp_path: Path
) -> None:
    (scaled,) = of_kind(built, "ScaledObject")
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    rule = {"groups": [{"name": "g", "rules": [{"record": "demand", "expr": query}]}]}
    (tmp_path / "rule.yml").write_text(yaml.safe_dump(rule))
    tasks = 'airwarden_task_instances{cluster="production",state="running"}'
    slots = 'airwarden_celery_worker_concurrency{cluster="production",hostname="w"}'
    # 60 of 100 slots for 20 minutes, 90 for 10, 30 for 20, then nobody measures.
    values = "60x80 90x39 30x79 _x40"
    tests = {
        "rule_files": ["rule.yml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [
                    {"series": tasks, "values": values},
                    {"series": slots, "values": "100x199 _x40"},
                ],
                "promql_expr_test": [
                    {"expr": "sum(demand)", "eval_time": at, "exp_samples": samples}
                    for at, samples in (
                        ("19m", [{"value": 0.85}]),
                        ("24m", [{"value": 0.85}]),
                        ("26m", [{"value": 0.9}]),
                        ("32m", [{"value": 0.85}]),
                        ("44m", [{"value": 0.85}]),
                        ("46m", [{"value": 0.3}]),
                        ("58m", []),
                    )
                ],
            }
        ],
    }
    holds(tests, tmp_path)


def test_a_threshold_that_is_no_share_is_refused_by_name() -> None:
    with pytest.raises(WrongInputError) as caught:
        kubernetes_files(settings(SITE.replace("85% utilization", "85 s")), nothing_drawn)
    assert "auto_scaling" in str(caught.value.place)


def test_without_an_allocation_there_are_no_classes_and_no_scaling() -> None:
    files = kubernetes_files(settings(SITE.partition("resource_allocation")[0]), nothing_drawn)
    assert not [path for path in files if "priority" in path or "scaled" in path]
