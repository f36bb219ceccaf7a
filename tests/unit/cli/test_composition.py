from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from airwarden.adapters.airflow_auth import CommandToken, FileToken, PasswordToken
from airwarden.adapters.fakes import FakeClock
from airwarden.adapters.host_kubernetes import KubernetesHost
from airwarden.adapters.probes import HttpProbe, TcpProbe
from airwarden.adapters.secrets import SecretToken
from airwarden.cli import composition, exporting, remediating
from airwarden.cli.listeners import Listeners
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings, WrongSettingsError, parse
from airwarden.remediation.decide.states import Mode

CLUSTER = "clusters: [{name: prod, airflow: {url: 'http://h', auth: {command: [x]}}}]\n"


def read(text: str, folder: Path = Path("/etc/airwarden")) -> Settings:
    return parse(text, source="airwarden.yaml", environ={}, base=folder)


@pytest.mark.parametrize(
    ("auth", "kind"),
    [
        ("{username: a, password_file: pw}", PasswordToken),
        ("{token_file: pw}", FileToken),
        ("{token_env: AIRFLOW_TOKEN}", SecretToken),
        ("{command: [print-token]}", CommandToken),
    ],
)
def test_each_way_to_sign_in_has_its_source_of_tokens(
    auth: str, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pw").write_text("a-password\n")
    monkeypatch.setenv("AIRFLOW_TOKEN", "a-token-here")
    settings = read(f"clusters: [{{airflow: {{url: 'http://h', auth: {auth}}}}}]", tmp_path)
    source = composition.token_source(settings.clusters[0].airflow, place="x")
    assert isinstance(source, kind)


def test_a_namespace_of_kubernetes_is_a_host_like_others() -> None:
    text = CLUSTER.replace("}}}]", "}}, host: {kubernetes: {namespace: airflow}}}]")
    ports = composition.cluster_ports(read(text).clusters[0])
    assert isinstance(ports.host, KubernetesHost)
    assert ports.kubernetes is not None
    with pytest.raises(WrongInputError, match="ServiceAccount"):  # said when it is used, not before
        ports.host.processes()


def test_what_is_not_configured_is_not_built() -> None:
    ports = composition.cluster_ports(read(CLUSTER).clusters[0])
    assert (ports.database, ports.session_ender, ports.broker, ports.workers, ports.host) == (
        (None,) * 5
    )
    assert composition.prometheus(read("")) is None
    assert composition.alertmanager(read("")) is None


def test_a_password_that_cannot_be_read_is_told_at_once() -> None:
    text = CLUSTER.replace("{command: [x]}", "{username: a, password_file: nowhere}")
    with pytest.raises(WrongInputError, match=r"clusters\[prod\]\.airflow\.auth\.password"):
        composition.cluster_ports(read(text).clusters[0])


@pytest.mark.parametrize(
    "url", ["redis://u:s3cret/x@h:6379/0", "redis://:s3cret@h:abc", "amqp://u:s3cret@h//", "s3cret"]
)
def test_an_address_that_is_no_redis_broker_is_told_without_its_password(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text(url)
    text = CLUSTER.replace("}}]", "}, broker: {url_file: url}}]")
    with pytest.raises(WrongInputError, match="not the address of a Redis broker") as caught:
        composition.cluster_ports(read(text, tmp_path).clusters[0])
    assert caught.value.place == "clusters[prod].broker.url"
    assert "s3cret" not in str(caught.value)


def test_dependencies_belong_to_their_cluster() -> None:
    text = CLUSTER + "dependencies: [{name: a, probe: {http: 'http://a'}}, {name: b}]"
    text += "\n"
    found = composition.probes(read(text), "prod")
    assert list(found) == ["a"]
    assert isinstance(found["a"], HttpProbe)
    assert composition.probes(read(text), "other") == {}
    tcp = read("dependencies: [{name: c, probe: {tcp: '[::1]:5'}}]").dependencies[0].probe
    assert tcp is not None
    assert isinstance(composition.probe(tcp), TcpProbe)


def test_tags_win_over_rules_and_rules_over_the_examples_of_a_class() -> None:
    text = """
clusters:
  - airflow: {url: "http://h", auth: {command: [x]}}
    match: [{dags: "rev*", tier: high}]
resource_allocation:
  priority_classes:
    critical: {weight: 100, guaranteed_resources: "50%", examples: [revenue_pipeline]}
"""
    settings = read(text)
    rules = exporting.dag_rules(settings, settings.clusters[0])
    assert [(rule.dags, rule.tier) for rule in rules] == [
        ("rev*", "high"),
        ("revenue_pipeline", "critical"),
    ]


def test_an_sla_counts_the_days_that_are_named() -> None:
    sla = read("slas: [{asset: orders, target: 90m, expected_days: [mon, sun]}]").slas[0]
    target = exporting.freshness(sla)
    assert (target.subject, target.seconds, target.is_dag) == ("orders", 5400, False)
    assert target.days == {0, 6}


def test_the_lowest_mode_wins_and_a_fresh_install_acts_on_nothing() -> None:
    fresh = remediating.playbook_set(read(""))
    assert {book.mode for book in fresh.by_name.values()} == {Mode.SHADOW}
    raised = read("remediator: {mode: approve}\nplaybooks: {scheduler-restart: {mode: auto}}")
    assert remediating.playbook_set(raised).by_name["scheduler-restart"].mode is Mode.APPROVE
    lowered = read("remediator: {mode: auto}\nplaybooks: {scheduler-restart: {mode: 'off'}}")
    assert remediating.playbook_set(lowered).by_name["scheduler-restart"].mode is Mode.OFF


def test_an_operators_changes_reach_the_playbook() -> None:
    text = """
remediator: {rails: {cool_down: 3m}}
playbooks:
  scheduler-restart: {confirm: {every: 2s}, verify: {stable: 7s}, attempts: 1}
  lost-tasks: {confirm: {parameters: {older: 20}}}
"""
    books = remediating.playbook_set(read(text)).by_name
    lost, book = books["lost-tasks"].playbook, books["scheduler-restart"]
    assert lost.confirm is not None
    assert lost.confirm.parameters == {"older": 20}
    assert book.playbook.confirm is not None
    assert book.playbook.confirm.every == timedelta(seconds=2)
    assert book.playbook.verify is not None
    assert book.playbook.verify.stable == timedelta(seconds=7)
    assert book.playbook.attempts == 1
    assert book.rails.cool_down == timedelta(minutes=3)


def test_what_a_reload_does_not_take_up_is_named() -> None:
    before, now = read(""), read("remediator: {mode: auto, listen: '127.0.0.1:1'}")
    assert remediating.fixed_at_start(before, now) == ["remediator.listen"]
    assert remediating.fixed_at_start(before, before) == []
    polled = read("alertmanager: {url: 'http://a:9093', poll_interval: 3s}")
    assert remediating.fixed_at_start(before, polled) == [
        "alertmanager.poll_interval",
        "alertmanager.url",
    ]


def test_a_reload_takes_up_who_is_told_and_names_what_needs_a_restart(tmp_path: Path) -> None:
    for name in ("web", "api", "slack", "key", "airflow"):
        (tmp_path / name).write_text(f"first-{name}\n")
    text = (
        "clusters: [{name: prod, airflow: {url: 'http://h', auth: {token_file: airflow}}}]\n"
        "remediator: {webhook_token_file: web, api_token_file: api, listen: '127.0.0.1:0'}\n"
        "alertmanager: {url: 'http://a:9093'}\n"
    )
    told = (
        "notifications:\n"
        "  slack: {token_file: slack, default_channel: '#x'}\n"
        "  pagerduty: {routing_key_file: key}\n"
    )
    now = [text]
    program = remediating.RemediatorProgram(lambda: read(now[0], tmp_path))
    try:
        first = program.remediator._composition
        assert (first.pager, first.chat) == (None, None)
        now[0] = (text + told).replace("a:9093", "b:9093")
        assert program.remediator.reload() == ()
        second = program.remediator._composition
        assert second.pager is not None
        assert second.chat is not None
        assert second.alertmanager is not first.alertmanager
        assert program.remediator._alarm.pager is second.pager
        (tmp_path / "api").write_text("another-token\n")
        now[0] = now[0].replace("127.0.0.1:0", "127.0.0.1:1")
        assert program.remediator.reload() == ("remediator.listen", "remediator.api_token")
        (tmp_path / "slack").unlink()
        with pytest.raises(WrongInputError, match=r"notifications\.slack\.token"):
            program.remediator.reload()
    finally:
        program.stop()


EVERY_SOURCE = """
clusters:
  - name: prod
    airflow: {url: "http://h", auth: {command: [x]}}
    metadata_database: {dsn: "postgresql://h/airflow", pgbouncer_dsn: "postgresql://h:6432/pgbouncer"}
    broker:
      url: "amqp://h:5672//"
      management: {url: "http://h:15672", username: w, password_env: RABBIT}
    mariadb: {dsn: "mysql://h:3306"}
    statsd: {listen: "127.0.0.1:0", forward: "127.0.0.1:9125"}
    parallelism: 96
"""


def test_optional_sources_are_built_and_handed_to_the_exporter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RABBIT", "a-password")
    settings = read(EVERY_SOURCE)
    ports = composition.cluster_ports(settings.clusters[0])
    assert ports.broker is not None
    assert ports.broker.kind == "rabbitmq"
    sources = exporting.sources(settings, ports)
    assert (sources.pooler, sources.mariadb) == (ports.pooler, ports.mariadb)
    assert sources.pooler is not None
    assert sources.mariadb is not None
    assert sources.parallelism == 96
    composition.close([ports])


def test_a_statsd_listener_outlives_a_reload_that_does_not_concern_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RABBIT", "a-password")
    cluster = read(EVERY_SOURCE).clusters[0]
    listeners = Listeners()
    try:
        first = listeners.of(cluster)
        assert first is not None
        assert first.port > 0
        again = read(EVERY_SOURCE.replace("96", "64")).clusters[0]
        listeners.keep([again])
        assert listeners.of(again) is first
        other = read(EVERY_SOURCE.replace("9125", "9126")).clusters[0]
        listeners.keep([other])
        second = listeners.of(other)
        assert second is not first
    finally:
        listeners.close()


def test_a_statsd_listener_is_not_open_to_other_machines_unasked() -> None:
    with pytest.raises(WrongSettingsError, match="allow_non_loopback"):
        read(EVERY_SOURCE.replace("127.0.0.1:0", "0.0.0.0:8125"))


LEASED = """
clusters:
  - name: prod
    airflow: {url: "http://h", auth: {token_file: airflow}}
    metadata_database: {dsn_file: dsn}
exporter: {listen: "127.0.0.1:0", lease: {url_file: lease}}
"""


def test_the_exporters_lease_never_stands_in_airflows_own_database(tmp_path: Path) -> None:
    (tmp_path / "airflow").write_text("a-token\n")
    (tmp_path / "dsn").write_text("postgresql://watcher:w@db.example/airflow")
    (tmp_path / "lease").write_text("postgresql+psycopg://warden:x@db.example:5432/airflow")
    with pytest.raises(WrongInputError, match=r"own database.*prod") as refused:
        exporting.lease(read(LEASED, tmp_path), FakeClock())
    assert refused.value.place == "exporter.lease"
    (tmp_path / "lease").write_text("postgresql+psycopg://warden:x@db.example:5432/airwarden")
    lease = exporting.lease(read(LEASED, tmp_path), FakeClock())
    assert lease is not None
    lease.stop()


def test_a_reload_brings_the_lease_into_no_database_of_airflows(tmp_path: Path) -> None:
    (tmp_path / "airflow").write_text("a-token\n")
    (tmp_path / "dsn").write_text("postgresql://watcher:w@127.0.0.1:1/airflow")
    (tmp_path / "other").write_text("postgresql://watcher:w@127.0.0.1:1/airwarden")
    (tmp_path / "lease").write_text("postgresql+psycopg://warden:x@127.0.0.1:1/airwarden")
    now = [LEASED]
    program = exporting.ExporterProgram(lambda: read(now[0], tmp_path))
    try:
        now[0] = LEASED.replace("dsn_file: dsn", "dsn_file: other")
        reply = program.reload()
        assert (reply.status, b"own database, that of" in reply.body) == (500, True)
        assert program.reload().status == 500
        now[0] = LEASED
        assert program.reload().status == 200
    finally:
        program.stop()


@pytest.mark.thorough
def test_a_reload_of_the_exporter_names_what_takes_effect_at_the_next_start(tmp_path: Path) -> None:
    for name in ("airflow", "api"):
        (tmp_path / name).write_text("a-token-of-some-length\n")
    text = (
        "exporter: {listen: '127.0.0.1:0'}\n"
        "clusters: [{name: prod, airflow: {url: 'http://h', auth: {token_file: airflow}}}]\n"
    )
    now = [text]
    program = exporting.ExporterProgram(lambda: read(now[0], tmp_path))
    try:
        assert program.reload().body == b"reloaded\n"
        more = "127.0.0.1:1', max_series: 2000, auth: {token_file: api}"
        now[0] = text.replace("127.0.0.1:0'", more)
        reply = program.reload()
        assert reply.status == 200
        assert reply.body == (
            b"reloaded; at the next start: exporter.listen, exporter.auth, exporter.max_series\n"
        )
    finally:
        program.stop()
