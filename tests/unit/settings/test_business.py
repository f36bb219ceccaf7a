"""`business:`, `exporter.events:` and `clusters[].mapped:` as operators write them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from airwarden.core.settings import Settings, WrongSettingsError, parse

CLUSTER = 'clusters:\n  - airflow: {url: "http://127.0.0.1:1", auth: {token_file: t}}\n'
QUERY = """\
business:
  queries:
    - name: survey
      metric: airwarden_user_satisfaction_score
      promql: avg by (team) (score)
"""


def read(text: str, folder: Path = Path("/etc/airwarden")) -> Settings:
    return parse(text, source="airwarden.yaml", environ={}, base=folder)


def test_the_defaults_take_no_events_and_ask_nobody() -> None:
    settings = read(CLUSTER)
    assert settings.exporter.events is None
    assert settings.business.queries == ()
    assert settings.business.keep.days == 2
    assert settings.clusters[0].mapped == ()


def test_events_need_a_token_and_keep_their_state_beside_the_file() -> None:
    events = read("exporter: {events: {token_env: TOKEN}}").exporter.events
    assert events is not None
    assert events.state_file == Path("/etc/airwarden/airwarden-events.db")
    assert events.token.env == "TOKEN"


def test_a_query_says_where_its_values_come_from() -> None:
    (query,) = read(CLUSTER + QUERY).business.queries
    assert query.source == "promql/survey"
    assert (query.interval.total_seconds(), query.timeout.total_seconds()) == (300, 10)


WRONG = [
    (
        "exporter: {events: {}}",
        "airwarden.yaml:1: exporter.events: exporter.events.token is missing",
    ),
    (
        "exporter: {events: {token: open-secret}}",
        "airwarden.yaml:1: exporter.events.token: a secret is never written",
    ),
    (
        QUERY.replace("_score", "_scor"),
        "airwarden.yaml:4: business.queries[0].metric: 'airwarden_user_satisfaction_scor' cannot be"
        " stated: did you mean airwarden_user_satisfaction_score?",
    ),
    (
        QUERY.replace(
            "airwarden_user_satisfaction_score", "airwarden_report_delivery_delay_seconds"
        ),
        "airwarden.yaml:4: business.queries[0].metric: 'airwarden_report_delivery_delay_seconds' cannot",
    ),
    (
        QUERY + "      sql: SELECT 1\n",
        "airwarden.yaml:3: business.queries[0]: give exactly one of sql",
    ),
    (QUERY.replace("promql: avg", "sql: avg"), "sql and dsn_file (or dsn_env) go together"),
    (
        QUERY.replace("promql: avg", "sql: avg") + "      dsn: postgresql://u:hunter2@h/d\n",
        "airwarden.yaml:6: business.queries[0].dsn: a secret is never written",
    ),
    (
        QUERY + "      interval: 1s\n",
        "airwarden.yaml:6: business.queries[0].interval: asks more often",
    ),
    (QUERY + "      timeout: 1h\n", "airwarden.yaml:6: business.queries[0].timeout: expected"),
    (
        QUERY + QUERY.partition("queries:\n")[2],
        "airwarden.yaml:6: business.queries[1].name: 'survey' is given twice",
    ),
    (
        QUERY + "      cluster: mars\n",
        "business.queries[0].cluster: 'mars' is not one of the clusters",
    ),
    (
        CLUSTER + "    mapped: [{preset: redis-exporter, metric: airwarden_db_up}]\n",
        "airwarden.yaml:3: clusters[0].mapped[0]: give exactly one of preset and metric",
    ),
    (CLUSTER + "    mapped: [{metric: airwarden_db_up}]\n", "metric and expr go together"),
    (
        CLUSTER + "    mapped: [{preset: redis-exporter, labels: {kind: redis}}]\n",
        "airwarden.yaml:3: clusters[0].mapped[0].labels: goes with metric alone",
    ),
    (
        CLUSTER + "    mapped: [{metric: airwarden_db_up, expr: sum(x), where: a}]\n",
        "airwarden.yaml:3: clusters[0].mapped[0].where: goes with preset alone",
    ),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=lambda value: value[-60:])
def test_what_is_wrong_is_named_with_file_line_key_and_mend(text: str, said: str) -> None:
    with pytest.raises(WrongSettingsError) as caught:
        read(text)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)
