"""Fitting in: rules for other rulers, and our part of an Alertmanager that a site has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from airwarden.core.errors import WrongInputError
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import (
    PagerDutyRoute,
    RemediatorRoute,
    RuleConfig,
    SlackRoute,
    TeamRoute,
)
from airwarden.rules.formats import RuleFormat, formatted
from airwarden.rules.render_prometheus import rule_groups
from airwarden.rules.routing import parse_route
from airwarden.rules.subtree import compare, merged, subtree

CONFIG = RuleConfig(
    slack=SlackRoute("#airflow", webhook_url_file="/run/slack"),
    pagerduty=PagerDutyRoute("/run/pagerduty"),
    teams=(TeamRoute("pricing", "#pricing"),),
    heartbeat_url="https://heartbeat.example.com/x",
)
RULES = resolve(CONFIG)
THEIRS: dict[str, Any] = {
    "route": {
        "receiver": "ops",
        "group_by": ["alertname"],
        "group_wait": "20s",
        "routes": [
            {"receiver": "db", "matchers": ['team="db"'], "continue": True},
            {"receiver": "night", "matchers": ['severity=~"critical|page"'],
             "mute_time_intervals": ["day"]},
            {"receiver": "heartbeat", "match": {"alertname": "DeadMansSwitch"}},
        ],
    },
    "receivers": [{"name": n} for n in ("ops", "db", "night", "heartbeat")],
    "inhibit_rules": [{"source_match": {"alertname": "NodeDown"}, "target_matchers": ["job=node"]}],
    "time_intervals": [{"name": "day", "time_intervals": [{"weekdays": ["monday:friday"]}]}],
}  # fmt: skip


def test_every_ruler_gets_the_same_groups() -> None:
    wanted = {group["name"]: group["rules"] for group in rule_groups(RULES)}
    for kind in RuleFormat:
        found: dict[str, Any] = {}
        for text in formatted(RULES, kind).values():
            document = yaml.safe_load(text)
            groups = document["spec"]["groups"] if "spec" in document else document["groups"]
            found |= {group["name"]: group["rules"] for group in groups}
        if kind is RuleFormat.OPERATOR:
            # What its routes ask for is said beside what the alert says itself.
            for rule in (rule for rules in found.values() for rule in rules if "alert" in rule):
                assert rule["labels"].pop("namespace") == "airwarden"
        assert found == wanted, kind


def test_the_operator_gets_objects_with_names_that_kubernetes_takes() -> None:
    for text in formatted(RULES, RuleFormat.OPERATOR).values():
        document = yaml.safe_load(text)
        assert (document["apiVersion"], document["kind"]) == (
            "monitoring.coreos.com/v1",
            "PrometheusRule",
        )
        assert document["metadata"]["name"].replace("-", "").isalnum()
        assert len(document["metadata"]["name"]) < 64


def test_a_ruler_with_tenants_gets_one_namespace() -> None:
    (text,) = formatted(RULES, RuleFormat.MIMIR).values()
    assert yaml.safe_load(text)["namespace"] == "airwarden"


@pytest.mark.parametrize("remediator", [None, RemediatorRoute(webhook_token_file="/run/token")])
def test_everything_else_is_routed_as_before(remediator: RemediatorRoute | None) -> None:
    rules = resolve(RuleConfig(slack=CONFIG.slack, remediator=remediator))
    whole = merged(THEIRS, subtree(rules))
    assert compare(THEIRS, whole, rules) == ()
    # The merged tree sends ours to our receivers.
    root = parse_route(whole["route"])
    critical = {"alertname": "AirflowDatabaseDown", "severity": "critical", "cluster": "default"}
    (node,) = root.match(critical)
    assert node.receiver.startswith("airwarden-")


def test_merging_again_replaces_our_part() -> None:
    once = merged(THEIRS, subtree(RULES))
    assert merged(once, subtree(RULES)) == once


def test_a_part_that_takes_more_than_ours_is_found() -> None:
    part = subtree(RULES)
    part["route"]["matchers"] = ['severity="critical"']
    findings = compare(THEIRS, merged(THEIRS, part), RULES)
    assert "went to night" in findings[0].message
    part = subtree(RULES)
    part["route"]["continue"] = True
    assert any("goes to" in f.message for f in compare(THEIRS, merged(THEIRS, part), RULES))


def test_a_wide_inhibition_of_the_site_is_named() -> None:
    wide = {"source_matchers": ["severity=critical"], "target_matchers": ["severity=warning"]}
    theirs = {**THEIRS, "inhibit_rules": [wide]}
    (finding,) = compare(theirs, merged(theirs, subtree(RULES)), RULES)
    assert finding.place == "inhibit_rules[0]"
    assert "mutes" in finding.message


def test_what_is_no_configuration_is_refused() -> None:
    with pytest.raises(WrongInputError, match="no route"):
        merged({"receivers": []}, subtree(RULES))


def test_a_merged_configuration_without_our_receivers_is_found() -> None:
    whole = merged(THEIRS, subtree(RULES))
    whole["receivers"] = THEIRS["receivers"]
    assert any("not defined" in f.message for f in compare(THEIRS, whole, RULES))


def test_amtool_takes_the_merged_configuration(tmp_path: Path) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.fail("amtool is missing: apt-get install prometheus-alertmanager")
    (tmp_path / "am.yml").write_text(yaml.safe_dump(merged(THEIRS, subtree(RULES))))
    done = subprocess.run(
        [amtool, "check-config", str(tmp_path / "am.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    routed = subprocess.run(
        [amtool, "config", "routes", "test", f"--config.file={tmp_path / 'am.yml'}",
         "severity=critical", "alertname=NodeDown"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert routed.stdout.strip() == "night"
