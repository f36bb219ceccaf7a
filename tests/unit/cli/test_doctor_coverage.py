"""What doctor says that an installation does not measure."""

from __future__ import annotations

from pathlib import Path

from airwarden.adapters.metadata_schemas import FOLDERS, SCHEMAS, query_text
from airwarden.cli.doctor import coverage as said
from airwarden.cli.doctor.finding import Outcome
from airwarden.core import coverage
from airwarden.core.metrics import CATALOGUE
from airwarden.core.settings import parse
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import RuleConfig
from airwarden.rules.needs import alerts_resting_on

RULES = resolve(RuleConfig(clusters=("default",)))


def test_without_a_database_the_lost_metrics_and_alerts_are_named(tmp_path: Path) -> None:
    settings = parse("{}", source=str(tmp_path / "a.yaml"), environ={})
    findings = list(said.without_database("db", settings))
    assert {finding.outcome for finding in findings} == {Outcome.OFF}
    told = " ".join(f.sentence for f in findings if f.subject == "not measured")
    assert all(name.removeprefix("airwarden_") in told for name in coverage.LOST_WITHOUT_DATABASE)
    (silent,) = [f.sentence for f in findings if f.subject == "cannot fire"]
    assert "AirflowSchedulerLagHigh" in silent
    assert "AirflowPool" not in silent


def test_an_alert_rests_on_what_its_recordings_are_made_of() -> None:
    direct = alerts_resting_on(RULES, {"airwarden_scheduler_lag_seconds"})
    assert "AirflowSchedulerLagHigh" in direct
    # A histogram is named by its series, and alerts look at what is recorded from it.
    assert alerts_resting_on(RULES, {"airwarden_dag_runs_finished_total"})
    assert alerts_resting_on(RULES, {"airwarden_no_such_metric"}) == ()


def test_what_is_listed_exists() -> None:
    listed = {name for lacking in coverage.LACKING.values() for name in lacking}
    assert listed | coverage.OVER_REST | set(coverage.IN_PART_OVER_REST) <= CATALOGUE.keys()
    assert coverage.LACKING.keys() == set(FOLDERS)
    assert {schema.folder for schema in SCHEMAS.values()} == set(FOLDERS)


def test_an_older_schema_inherits_what_it_does_not_have() -> None:
    assert query_text("airflow_2_10", "jobs") == query_text("airflow_3_3", "jobs")
    assert query_text("airflow_2_10", "deadlines") != query_text("airflow_3_1", "deadlines")
    assert query_text("airflow_3_1", "deadlines") != query_text("airflow_3_3", "deadlines")
