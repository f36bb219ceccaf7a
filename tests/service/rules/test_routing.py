"""Who hears of what: amtool routes label sets through the generated tree."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from airwarden.rules.build import build
from airwarden.rules.config import (
    PagerDutyRoute,
    RemediatorRoute,
    RuleConfig,
    SlackRoute,
    TeamRoute,
)
from support.promtool import promtool

SLACK = SlackRoute("#airflow", webhook_url_file="/secrets/slack")
PAGER = PagerDutyRoute("/secrets/pagerduty")
TEAMS = (
    TeamRoute("growth", "#growth", "/secrets/growth"),
    TeamRoute("finance"),
)
FULL = RuleConfig(
    slack=SLACK,
    pagerduty=PAGER,
    teams=TEAMS,
    remediator=RemediatorRoute("http://127.0.0.1:9811", "/secrets/webhook"),
    heartbeat_url="http://127.0.0.1:9/beat",
)
BARE = RuleConfig()
PEOPLE = RuleConfig(slack=SLACK, pagerduty=PAGER, teams=TEAMS, remediator=None, remediators=())


def amtool(*arguments: str) -> str:
    program = shutil.which("amtool")
    assert program, "amtool is missing: install Debian's prometheus-alertmanager package"
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(config: RuleConfig, folder: Path) -> Path:
    file = folder / "alertmanager.yml"
    file.write_text(build(config)["alertmanager/alertmanager.yml"], encoding="utf-8")
    return file


def routed(config: RuleConfig, folder: Path, labels: str) -> set[str]:
    file = written(config, folder)
    out = amtool("config", "routes", "test", f"--config.file={file}", *labels.split())
    return set(out.strip().split(","))


@pytest.mark.parametrize("config", [FULL, BARE, PEOPLE], ids=["full", "bare", "people"])
def test_both_tools_accept_what_is_built(config: RuleConfig, tmp_path: Path) -> None:
    assert "SUCCESS" in amtool("check-config", str(written(config, tmp_path)))
    for path, text in build(config).items():
        if path.startswith("prometheus/"):
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    promtool("check", "config", "--lint-fatal", tmp_path / "prometheus/prometheus.yml")


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=AirflowSchedulerProcessDown severity=critical cluster=c", "remediator"),
        ("alertname=AirflowDataFreshnessBreach severity=warning team=growth", "remediator"),
        ("alertname=AirflowDataFreshnessBreach severity=info team=growth", "chat-growth"),
        ("alertname=AirflowDataFreshnessBreach severity=warning team=finance", "remediator"),
        ("alertname=AirflowDataFreshnessBreach severity=info team=finance", "chat"),
        ("alertname=AirflowTaskQueueDepthHigh severity=warning queue=etl", "remediator"),
        ("alertname=AirwardenAlertNotTaken severity=critical untaken=X", "pager"),
        ("alertname=AirwardenRemediatorDown severity=critical", "pager"),
        ("alertname=AirflowExporterDown severity=critical", "pager"),
        ("alertname=AirwardenAlertNotTaken severity=warning untaken=X", "chat"),
        ("alertname=AirwardenRemediatorDown severity=warning", "chat"),
        ("alertname=AirflowExporterDown severity=warning", "chat"),
        ("alertname=AirwardenConfigReloadFailed severity=warning", "remediator"),
        ("alertname=Watchdog severity=none", "heartbeat"),
        ("alertname=TheirOwn severity=critical", "remediator"),
        ("alertname=TheirOwn severity=warning team=growth", "remediator"),
        ("alertname=TheirOwn severity=info", "chat"),
        ("alertname=TheirOwn", "chat"),
    ],
)  # fmt: skip
def test_one_fault_has_one_voice(labels: str, receivers: str, tmp_path: Path) -> None:
    assert routed(FULL, tmp_path, labels) == set(receivers.split())


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=AirflowSchedulerProcessDown severity=critical", "pager"),
        ("alertname=AirflowDataFreshnessBreach severity=critical team=growth", "pager-growth"),
        ("alertname=AirflowDataFreshnessBreach severity=critical team=finance", "pager"),
        ("alertname=AirflowDataFreshnessBreach severity=warning team=growth", "chat-growth"),
        ("alertname=AirflowExporterDown severity=critical", "pager"),
        ("alertname=Watchdog severity=none", "nobody"),
    ],
)
def test_without_a_remediator_people_are_paged_by_team(
    labels: str, receivers: str, tmp_path: Path
) -> None:
    assert routed(PEOPLE, tmp_path, labels) == set(receivers.split())


def test_secrets_stand_in_the_file_by_their_paths_only() -> None:
    text = build(FULL)["alertmanager/alertmanager.yml"]
    receivers = {receiver["name"]: receiver for receiver in yaml.safe_load(text)["receivers"]}
    webhook = receivers["remediator"]["webhook_configs"][0]
    assert webhook["url"] == "http://127.0.0.1:9811/api/v1/alerts"
    assert webhook["send_resolved"] is True
    assert webhook["max_alerts"] == 1000
    assert webhook["http_config"]["authorization"] == {
        "type": "Bearer", "credentials_file": "/secrets/webhook",
    }  # fmt: skip
    assert receivers["pager"]["pagerduty_configs"][0]["routing_key_file"] == "/secrets/pagerduty"
    assert receivers["chat-growth"]["slack_configs"][0]["api_url_file"] == "/secrets/slack"
