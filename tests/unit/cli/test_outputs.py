from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from airwarden.cli import outputs
from airwarden.core.alerts import Severity
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings, parse

PROFILE = "".join(
    (Path(__file__).parents[2] / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    for name in ("monitoring_framework", "resource_allocation")
)
BASE = Path("/etc/airwarden")


def read(text: str) -> Settings:
    return parse(text, source="airwarden.yaml", environ={}, base=BASE)


def test_the_two_blocks_alone_are_a_settings_file() -> None:
    files = outputs.render_all(read(PROFILE))
    rules = {
        rule["alert"]: rule
        for name, text in files.items()
        if name.startswith("prometheus/rules/")
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert rules["AirflowSchedulerLagHigh"]["for"] == "3m"
    assert rules["AirflowSchedulerLagHigh"]["labels"]["severity"] == "critical"
    assert rules["AirflowDataFreshnessBreach"]["for"] == "1h"
    assert "grafana/airwarden-overview.json" in files
    assert "alertmanager/alertmanager.yml" in files


def test_an_alerts_own_entry_wins_over_the_frameworks_words() -> None:
    more = "alerts: {AirflowSchedulerLagHigh: {severity: warning, over: 10m}}\n"
    found = outputs.alert_overrides(read(PROFILE + more))["AirflowSchedulerLagHigh"]
    assert found.severity is Severity.WARNING
    assert found.over == timedelta(minutes=10)
    assert str(found.threshold) == "> 5m for 3m"


def test_where_capacity_is_taken_away_there_is_too_much_of_it() -> None:
    config = outputs.rule_config(read(PROFILE))
    assert str(config.overrides[outputs.IDLE].threshold) == "40% utilization for 15m"
    assert config.fewest_workers == 100
    other = PROFILE.replace("40% utilization for 15 minutes", "30% utilization for 20 minutes")
    rules = yaml.safe_load(
        outputs.render_all(read(other), None)["prometheus/rules/airwarden-workers.yml"]
    )
    (idle,) = [
        rule
        for group in rules["groups"]
        for rule in group["rules"]
        if rule.get("alert") == outputs.IDLE
    ]
    assert idle["for"] == "20m"
    assert "< 0.3\n" in idle["expr"]
    assert "> 100\n" in idle["expr"]
    own = outputs.alert_overrides(
        read(other + f"alerts: {{{outputs.IDLE}: {{threshold: 10% for 1h}}}}\n")
    )
    assert str(own[outputs.IDLE].threshold) == "10% for 1h"


def test_without_a_webhook_token_alerts_go_to_people_only() -> None:
    assert outputs.rule_config(read("")).remediator is None
    with_token = outputs.rule_config(read("remediator: {webhook_token_file: t}")).remediator
    assert with_token is not None
    assert with_token.webhook_token_file == "/etc/airwarden/t"
    assert with_token.url == "http://127.0.0.1:9811"


def scrape_job(exporter: str) -> dict[str, object]:
    files = outputs.render_all(read(f"exporter:\n  {exporter}\n"))
    (job, *_) = yaml.safe_load(files["prometheus/prometheus.yml"])["scrape_configs"]
    return {name: value for name, value in job.items() if name != "job_name"}


def test_prometheus_is_told_how_to_get_in_at_every_exporter() -> None:
    assert scrape_job("replicas: [http://10.0.0.2:9810]") == {
        "static_configs": [{"targets": ["127.0.0.1:9810", "10.0.0.2:9810"]}]
    }
    assert scrape_job("auth: {token_file: t}")["authorization"] == {
        "type": "Bearer",
        "credentials_file": "/etc/airwarden/t",
    }
    tls = "{cert_file: c, key_file: k, prometheus: {ca_file: a, server_name: n, cert_file: pc, key_file: pk}}"
    found = scrape_job(f"tls: {tls}\n  auth: {{username: me, password_file: p}}")
    assert found == {
        "scheme": "https",
        "tls_config": {
            "ca_file": "/etc/airwarden/a",
            "cert_file": "/etc/airwarden/pc",
            "key_file": "/etc/airwarden/pk",
            "server_name": "n",
        },
        "basic_auth": {"username": "me", "password_file": "/etc/airwarden/p"},
        "static_configs": [{"targets": ["127.0.0.1:9810"]}],
    }
    with pytest.raises(WrongInputError, match="Prometheus reads this secret itself"):
        scrape_job("auth: {token_env: TOKEN}")


BEHIND = """
prometheus:
  url: https://metrics.example/prometheus
  replicas: [https://other.example]
  auth: {username: me, password_env: METRICS_PASSWORD}
  tls: {ca_file: a.pem, cert_file: c.pem, key_file: c.key, server_name: n}
  tenant: east
alertmanager:
  url: https://one.example/alertmanager
  replicas: ["https://two.example/alertmanager/", "http://three.example:9093"]
  auth: {token_file: t}
  tls: {insecure_skip_verify: true}
"""


def test_prometheus_is_told_how_to_get_in_at_every_alertmanager() -> None:
    files = outputs.render_all(read(BEHIND))
    (first, second) = yaml.safe_load(files["prometheus/prometheus.yml"])["alerting"][
        "alertmanagers"
    ]
    token = {"type": "Bearer", "credentials_file": "/etc/airwarden/t"}
    assert first == {
        "scheme": "https",
        "tls_config": {"insecure_skip_verify": True},
        "authorization": token,
        "path_prefix": "/alertmanager",
        "static_configs": [{"targets": ["one.example", "two.example"]}],
    }
    assert second == {
        "authorization": token,
        "static_configs": [{"targets": ["three.example:9093"]}],
    }


def test_grafana_gets_in_where_we_do_and_reads_the_secrets_itself() -> None:
    files = outputs.render_all(read(BEHIND))
    text = files["grafana/provisioning/datasources/airwarden.yaml"]
    (source,) = yaml.safe_load(text)["datasources"]
    assert (source["basicAuth"], source["basicAuthUser"]) == (True, "me")
    assert source["url"] == "https://metrics.example/prometheus"
    shown, hidden = source["jsonData"], source["secureJsonData"]
    assert (shown["httpHeaderName1"], hidden["httpHeaderValue1"]) == ("X-Scope-OrgID", "east")
    assert (shown["tlsAuth"], shown["tlsAuthWithCACert"], shown["serverName"]) == (True, True, "n")
    assert hidden["basicAuthPassword"] == "$__env{METRICS_PASSWORD}"
    assert hidden["tlsCACert"] == "$__file{/etc/airwarden/a.pem}"
    assert hidden["tlsClientCert"] == "$__file{/etc/airwarden/c.pem}"
    assert hidden["tlsClientKey"] == "$__file{/etc/airwarden/c.key}"
    token = BEHIND.replace("{username: me, password_env: METRICS_PASSWORD}", "{token_file: t}")
    text = outputs.render_all(read(token))["grafana/provisioning/datasources/airwarden.yaml"]
    (source,) = yaml.safe_load(text)["datasources"]
    assert "basicAuth" not in source
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert source["secureJsonData"]["httpHeaderValue1"] == "Bearer $__file{/etc/airwarden/t}"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("remediator: {webhook_token_env: T}", "remediator.webhook_token"),
        (
            "notifications: {pagerduty: {routing_key_env: K}}",
            "notifications.pagerduty.routing_key",
        ),
        ("teams: {a: {pagerduty_key_env: K}}", "teams.a.pagerduty_key"),
        ("notifications: {slack: {}}", "notifications.slack"),
    ],
)
def test_a_secret_that_alertmanager_cannot_read_is_refused(text: str, key: str) -> None:
    with pytest.raises(WrongInputError) as caught:
        outputs.render_all(read(text))
    assert caught.value.place == key


def test_panels_draw_the_thresholds_of_the_alerts() -> None:
    settings = read('alerts: {AirflowTaskQueueDepthHigh: {threshold: ">50 for 1m"}}')
    config = outputs.dashboard_config(settings, outputs.resolved(settings))
    assert config.limits.queue_depth == 50
    assert config.limits.scheduler_lag_seconds == 300


def test_files_are_replaced_whole_and_their_folder_is_named_when_it_cannot_be(
    tmp_path: Path,
) -> None:
    outputs.write_all({"a/b.yml": "1\n"}, tmp_path)
    outputs.write_all({"a/b.yml": "2\n"}, tmp_path)
    assert (tmp_path / "a/b.yml").read_text() == "2\n"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.yml"]
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongInputError, match="file"):
        outputs.write_all({"x": ""}, tmp_path / "file")


def test_a_file_that_would_not_change_is_left_alone(tmp_path: Path) -> None:
    (path,) = outputs.write_all({"a/b.yml": "1\n"}, tmp_path)
    os.utime(path, (1, 1))
    assert outputs.write_all({"a/b.yml": "1\n"}, tmp_path) == [path]
    assert path.stat().st_mtime == 1
    outputs.write_all({"a/b.yml": "2\n"}, tmp_path)
    assert path.stat().st_mtime > 1
