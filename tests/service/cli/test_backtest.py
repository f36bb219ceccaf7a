"""`airwarden backtest` as people run it: one read-only role on a database, from an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airwarden.adapters.metadata_schemas import grants
from support.postgres import Database
from support.shapes import shaped

READER = "backtester"


@pytest.fixture(scope="module")
def history(fleet_template: Database) -> str:
    """The DSN of a role that may only read a small fleet."""
    if not _has_role(fleet_template):
        fleet_template.execute(f"CREATE ROLE {READER} LOGIN PASSWORD 'reads'")
    fleet_template.execute(grants(READER))
    return fleet_template.dsn_as(READER, "reads")


def _has_role(database: Database) -> bool:
    return bool(database.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", READER))


def run(folder: Path, dsn: str, *options: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRWARDEN_")}
    return subprocess.run(
        [sys.executable, "-m", "airwarden.cli", "backtest", *options],
        cwd=folder, env={**inherited, "AIRWARDEN_BACKTEST_DSN": dsn}, capture_output=True, text=True,
        check=False, timeout=100,
    )  # fmt: skip


def test_one_read_only_dsn_gives_tables_json_and_a_page_that_needs_nothing_else(
    history: str, fleet_template: Database, tmp_path: Path
) -> None:
    (tmp_path / "known.yaml").write_text(
        "incidents:\n- {name: nothing, began: 2020-01-01T00:00:00Z, ended: 2020-01-01T01:00:00Z}\n"
    )
    (last,) = fleet_template.execute("SELECT max(end_date) FROM dag_run")[0]
    done = run(
        tmp_path, history, "--days", "3", "--until", last.isoformat(), "--output", "json", "--html", "report.html", "--playbooks",
        "--try", "dag_failure_rate=>3% for 5 minutes", "--incidents", "known.yaml", "--step", "60",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = shaped("backtest", done.stdout)
    assert report["runs"] > 100
    assert report["dags"] > 10
    judged = {row["alert"] for row in report["rows"]}
    assert {"AirflowDagFailureRateHigh", "AirflowSchedulerLagHigh"} <= judged
    assert judged.isdisjoint(report["not_judged"])
    assert "airwarden_db_up" in report["not_judged"]["AirflowDatabaseDown"]
    assert report["tried"][0]["threshold"] == "> 3% for 5m"
    assert [found["told"] for found in report["incidents"]] == [0]
    lag = next(row for row in report["rows"] if row["alert"] == "AirflowSchedulerLagHigh")
    assert len(lag["grid"]) == 15
    page = (tmp_path / "report.html").read_text()
    assert "AirflowSchedulerLagHigh" in page
    # Nothing is fetched when it is opened.
    assert not re.search(r"<(script|link|img|iframe)|https?://|@import|url\(", page)


def test_the_reader_changed_nothing_and_may_change_nothing(history: str, tmp_path: Path) -> None:
    import psycopg

    with (
        psycopg.connect(history) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("DELETE FROM dag_run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--try", "dag_failure_rate"), "expected ALERT=THRESHOLD"),
        (("--try", "dag_failure=>3%"), "there is no alert"),
        (("--try", "scheduler_lag=>3%"), "expected a limit in seconds"),
        (("--incidents", "none.yaml"), "there is no such file"),
        (("--until", "yesterday"), "is no moment"),
    ],
)
def test_wrong_input_is_named(
    history: str, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = run(tmp_path, history, "--days", "1", *options)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr


def test_a_database_that_is_none_of_airflows_is_refused(
    fleet_template: Database, tmp_path: Path
) -> None:
    other = Database("postgres", fleet_template.port)
    done = run(tmp_path, other.dsn, "--days", "1")
    assert done.returncode == 1
    assert "no Airflow schema" in done.stderr
    gone = run(tmp_path, "postgresql://u:hidden@127.0.0.1:1/x", "--days", "1")
    assert gone.returncode == 1
    assert "hidden" not in gone.stderr
