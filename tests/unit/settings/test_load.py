from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from airwarden.core.platform import Component
from airwarden.core.settings import Mode, Settings, WrongSettingsError, parse

FULL = """\
clusters:
  - name: prod
    airflow:
      url: https://airflow.example/
      auth: {username: svc, password_file: secrets/password}
      ca_file: ca.pem
    metadata_database:
      dsn_env: OBSERVER_DSN
      terminator_dsn_file: /run/secrets/terminator
    broker: {url: "redis://127.0.0.1:6379/0", queues: [default, etl]}
    workers: {min: 2, max: 8}
    host:
      supervisord:
        url: http://127.0.0.1:9001/RPC2
        programs: {scheduler: [scheduler, scheduler2], worker: ["workers:worker_0"]}
    match: [{dags: "etl_*", tier: high, team: growth, type: etl}]
dependencies:
  - {name: billing-api, cluster: prod, probe: {tcp: "billing:443"}, pools: [billing]}
slas: [{asset: orders, target: 1h, timezone: Europe/Paris, expected_days: [mon, tue]}]
teams: {growth: {slack_channel: "#growth", pagerduty_key_env: GROWTH_KEY}}
alerts: {AirflowSchedulerLagHigh: {threshold: ">5 minutes for 3 minutes", severity: critical}}
prometheus: {url: "http://127.0.0.1:9090", scrape_interval: 5s}
remediator: {webhook_token_file: t, api_token_env: T, mode: approve}
playbooks: {scheduler-restart: {mode: auto, confirm: {times: 3, every: 10s}}}
"""


def read(text: str, **environ: str) -> Settings:
    return parse(text, source="/etc/airwarden/airwarden.yaml", environ=environ)


def problems(text: str, **environ: str) -> list[str]:
    with pytest.raises(WrongSettingsError) as caught:
        parse(text, source="airwarden.yaml", environ=environ)
    return [str(problem) for problem in caught.value.problems]


def test_reads_a_full_file_into_typed_values() -> None:
    settings = read(FULL)
    (cluster,) = settings.clusters
    assert cluster.airflow.url == "https://airflow.example"
    assert cluster.airflow.auth.password is not None
    assert cluster.airflow.auth.password.file == Path("/etc/airwarden/secrets/password")
    assert cluster.airflow.ca_file == Path("/etc/airwarden/ca.pem")
    assert cluster.metadata_database is not None
    assert cluster.metadata_database.dsn.env == "OBSERVER_DSN"
    assert cluster.metadata_database.terminator_dsn is not None
    assert cluster.metadata_database.terminator_dsn.file == Path("/run/secrets/terminator")
    assert cluster.host is not None
    assert cluster.host.supervisord is not None
    assert cluster.host.supervisord.programs[Component.SCHEDULER] == ("scheduler", "scheduler2")
    assert settings.slas[0].target == timedelta(hours=1)
    assert settings.playbooks["scheduler-restart"].mode is Mode.AUTO
    assert settings.playbooks["scheduler-restart"].confirm.every == timedelta(seconds=10)


def test_a_fresh_install_may_do_nothing() -> None:
    assert read("").remediator.mode is Mode.SHADOW
    assert read("").exporter.listen.is_loopback
    assert read("").remediator.listen.is_loopback


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exportr: {}", "airwarden.yaml:1: exportr: unknown key (did you mean exporter?)"),
        (
            "exporter:\n  lissten: 127.0.0.1:1\n",
            "airwarden.yaml:2: exporter.lissten: unknown key (did you mean listen?)",
        ),
        (
            "remediator:\n  api_tokn_file: x\n",
            "airwarden.yaml:2: remediator.api_tokn_file: unknown key (did you mean api_token_file?)",
        ),
        (
            "exporter:\n  listen: [1]\n",
            "airwarden.yaml:2: exporter.listen: [1] is not HOST:PORT: write for example 127.0.0.1:9810",
        ),
        (
            "exporter:\n  listen: 0.0.0.0:9810\n",
            "airwarden.yaml:2: exporter.listen: 0.0.0.0:9810 is reachable from other machines, and nobody"
            " has to show who they are: bind 127.0.0.1, or give exporter.auth (username and password_file,"
            " or token_file)",
        ),
        (
            "exporter:\n  listen: 0.0.0.0:9810\n  auth: {token_file: t}\n",
            "airwarden.yaml:2: exporter.listen: 0.0.0.0:9810 is reachable from other machines, and"
            " credential and metrics would travel in clear: give exporter.tls, or set"
            " allow_non_loopback: true when something in front of it encrypts",
        ),
        (
            "exporter:\n  allow_non_loopback: true\n  listen: 0.0.0.0:9810\n",
            "airwarden.yaml:3: exporter.listen: 0.0.0.0:9810 is reachable from other machines, and nobody"
            " has to show who they are: bind 127.0.0.1, or give exporter.auth (username and password_file,"
            " or token_file)",
        ),
        (
            "exporter:\n  auth: {token_file: t, username: me, password_file: p}\n",
            "airwarden.yaml:2: exporter.auth: give exactly one of: username with password_file (or"
            " password_env), token_file (or token_env)",
        ),
        (
            "exporter:\n  lease: {}\n",
            "airwarden.yaml:2: exporter.lease: exporters agree through PostgreSQL, and the journal is"
            " SQLite: give exporter.lease.url_file, or a PostgreSQL journal in remediator.journal.url_file",
        ),
        (
            "remediator:\n  listen: 0.0.0.0:9811\n",
            "airwarden.yaml:2: remediator.listen: 0.0.0.0:9811 is reachable from other machines, and"
            " /metrics asks nobody who they are: bind 127.0.0.1, or give remediator.metrics_token_file",
        ),
        (
            "remediator:\n  listen: 0.0.0.0:9811\n  metrics_token_file: t\n",
            "airwarden.yaml:2: remediator.listen: 0.0.0.0:9811 is reachable from other machines, and"
            " tokens would travel in clear: give remediator.tls, or set allow_non_loopback: true when"
            " something in front of it encrypts",
        ),
        (
            "notifications:\n  slack: {app_token_file: t}\n",
            "airwarden.yaml:2: notifications.slack.token_file: is missing: buttons are in messages that a"
            " bot token posts",
        ),
        (
            "remediator: {mode: atuo}",
            "airwarden.yaml:1: remediator.mode: expected 'off', 'shadow', 'approve' or 'auto', not"
            " 'atuo' (did you mean auto?)",
        ),
        (
            "prometheus:\n  scrape_interval: 15\n",
            "airwarden.yaml:2: prometheus.scrape_interval: 15 has no unit: write for example 90s, 5m"
            " or 1h30m",
        ),
        ("teams: []", "airwarden.yaml:1: teams: expected a section with keys"),
        ("links:\n  runbooks: ftp://x\n", None),
        ("a: 1\nb: 2\na: 3\n", "airwarden.yaml:3: a is given twice (first on line 1)"),
        ("a: [1\n", None),
        ("- 1\n", "airwarden.yaml:1: expected keys with values"),
        ("a: &a [*a]\n", None),
        ("clusters: [{name: x}]", "airwarden.yaml:1: clusters[0]: clusters[0].airflow is missing"),
    ],
)
def test_wrong_input_names_place_expectation_and_nearest_key(
    text: str, expected: str | None
) -> None:
    found = problems(text)
    assert found[0].startswith("airwarden.yaml:")
    if expected is not None:
        assert found == [expected]


def test_all_problems_are_told_in_the_order_of_the_file() -> None:
    found = problems("exporter: {listen: 1}\nremediater: {}\nprometheus: {retention: x}\n")
    assert [line.split(": ")[1] for line in found] == [
        "exporter.listen",
        "remediater",
        "prometheus.retention",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "remediator: {api_token: hunter2}",
        "remediator: {journal: {url: 'postgresql+psycopg://u:hunter2@h/d'}}",
        "notifications: {pagerduty: {routing_key: hunter2}}",
        "clusters: [{airflow: {url: 'http://u:hunter2@h', auth: {command: [x]}}}]",
        "clusters: [{airflow: {url: 'http://h', auth: {username: a, password: hunter2}}}]",
    ],
)
def test_an_inline_secret_is_refused_and_not_repeated(text: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert "hunter2" not in found[0]
    assert "_file" in found[0] or "credentials" in found[0]


def test_a_secret_is_given_one_way_only() -> None:
    assert problems("remediator: {api_token_file: a, api_token_env: B}") == [
        "airwarden.yaml:1: remediator.api_token_env: give one of api_token_file and api_token_env,"
        " not both"
    ]


def test_sign_in_is_by_exactly_one_way() -> None:
    text = "clusters: [{airflow: {url: 'http://h', auth: {token_file: t, command: [x]}}}]"
    assert "give exactly one of" in problems(text)[0]


def test_the_environment_overrides_single_keys() -> None:
    settings = read(
        FULL,
        AIRWARDEN_CLUSTERS__0__AIRFLOW__TIMEOUT="9s",
        AIRWARDEN_CLUSTERS__0__BROKER__QUEUES="[a, b]",
        AIRWARDEN_PLAYBOOKS__SCHEDULER_RESTART__MODE="off",
        AIRWARDEN_PLAYBOOKS__BROKER_OUT__MODE="shadow",
        AIRWARDEN_ALERTS__AIRFLOWSCHEDULERLAGHIGH__SEVERITY="warning",
        AIRWARDEN_EXPORTER__ALLOW_NON_LOOPBACK="true",
        AIRWARDEN_CRASH_AT="after-intent",
    )
    assert settings.clusters[0].airflow.timeout == timedelta(seconds=9)
    assert settings.clusters[0].broker is not None
    assert settings.clusters[0].broker.queues == ("a", "b")
    assert settings.playbooks["scheduler-restart"].mode is Mode.OFF
    assert settings.playbooks["broker-out"].mode is Mode.SHADOW
    assert settings.alerts["AirflowSchedulerLagHigh"].severity == "warning"
    assert settings.exporter.allow_non_loopback


def test_a_secret_in_the_environment_is_kept_by_its_variable_only() -> None:
    settings = read("", AIRWARDEN_REMEDIATOR__API_TOKEN="hunter2")
    assert settings.remediator.api_token is not None
    assert settings.remediator.api_token.env == "AIRWARDEN_REMEDIATOR__API_TOKEN"
    assert "hunter2" not in repr(settings)


def test_a_variable_replaces_a_secret_that_the_file_gives_in_another_way() -> None:
    text = "remediator: {api_token_file: token}"
    given = read(text, AIRWARDEN_REMEDIATOR__API_TOKEN_ENV="TOKEN").remediator.api_token
    assert given is not None
    assert (given.file, given.env) == (None, "TOKEN")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AIRWARDEN_REMEDIATER__LISTEN", "x"),
        ("AIRWARDEN_EXPORTER__LISTEN", "x"),
        ("AIRWARDEN_CLUSTERS__7__NAME", "x"),
        ("AIRWARDEN_CLUSTERS", "[x"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    (found,) = problems(FULL, **{variable: value})
    assert found.startswith(f"environment variable {variable}")


def test_words_that_yaml_would_turn_into_something_else_stay_words() -> None:
    settings = read("teams: {no: {slack_channel: 'on'}, 12:30: {slack_channel: yes}}")
    assert list(settings.teams) == ["no", "12:30"]
    assert settings.teams["12:30"].slack_channel == "yes"


def test_anchors_and_merge_keys_work() -> None:
    settings = read(
        "teams:\n  a: &a {slack_channel: '#a'}\n  b: {<<: *a, pagerduty_key_env: K}\n  c: *a\n"
    )
    assert settings.teams["b"].slack_channel == "#a"
    assert settings.teams["c"].slack_channel == "#a"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("dependencies: [{name: x, cluster: y}]", "'y' is not one of the clusters default"),
        ("dependencies: [{name: x}, {name: x}]", "declared twice"),
        ("slas: [{target: 1h}]", "give exactly one of asset and dag"),
        ("slas: [{asset: a, target: 1h, timezone: Mars/X}]", "is not a time zone"),
        ("dependencies: [{name: x, floor: 0}]", "greater than or equal to 1"),
        ("dependencies: [{name: x, probe: {tcp: nowhere}}]", "is not HOST:PORT"),
        ("prometheus: {replicas: [http://b]}", "give its url, too"),
        ("alertmanager: {auth: {token_file: t}}", "give its url, too"),
        ("prometheus: {tenant: a}", "give its url, too"),
        ("prometheus: {url: http://a, tls: {ca_file: c}}", "no address begins with https://"),
        ("prometheus: {url: http://a, auth: {username: me}}", "go together"),
        ("prometheus: {url: http://a, auth: {}}", "give exactly one of: username"),
        ("prometheus: {url: https://a, tls: {cert_file: c}}", "cert_file and key_file go together"),
        (
            "alertmanager: {url: https://a, tls: {ca_file: c, insecure_skip_verify: true}}",
            "contradicts itself",
        ),
        ("prometheus: {url: http://a, tenant: 'a b'}", "tenant"),
        (
            "business: {queries: [{name: a, metric: airwarden_revenue_at_risk_dollars,"
            " promql: x, tenant: y}]}",
            "business.queries[0]",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, part: str) -> None:
    assert part in problems(text)[0]


def test_a_process_belongs_to_one_component() -> None:
    text = FULL.replace('worker: ["workers:worker_0"]', "worker: [scheduler]")
    assert "scheduler is listed under scheduler and worker" in problems(text)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "sqlite:////etc/airwarden/airwarden-journal.db"),
        ("remediator: {journal: {url: 'sqlite:///x/j.db'}}", "sqlite:////etc/airwarden/x/j.db"),
        ("remediator: {journal: {url: 'sqlite:////var/j.db'}}", "sqlite:////var/j.db"),
        ("remediator: {journal: {url: 'postgresql+psycopg://h/j'}}", "postgresql+psycopg://h/j"),
    ],
)
def test_the_journal_lies_beside_the_file_wherever_the_program_starts(
    text: str, expected: str
) -> None:
    assert read(text).remediator.journal.url.literal == expected


def test_an_address_in_the_environment_is_a_secret_only_with_a_password() -> None:
    name = "AIRWARDEN_REMEDIATOR__JOURNAL__URL"
    assert read("", **{name: "sqlite:////j"}).remediator.journal.url.literal == "sqlite:////j"
    assert read("", **{name: "postgresql+psycopg://u:p@h/d"}).remediator.journal.url.env == name
