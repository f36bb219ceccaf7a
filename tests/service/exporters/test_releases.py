"""The same story on the schema of every supported release: the same numbers come out."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.adapters.metadata_schemas import SCHEMAS, grants, query_text
from airwarden.core.errors import RejectedError
from airwarden.exporters.collectors import collectors_for
from airwarden.exporters.collectors.dag_runs import DagRunsCollector
from airwarden.exporters.collectors.task_events import TaskEventsCollector
from airwarden.exporters.families import Family
from airwarden.exporters.labels import DagRegistry
from airwarden.exporters.sources import ClusterSources, FreshnessTarget
from service.exporters.test_plans import GROWING, WHOLE, plan_of, whole_reads
from support.airflow_releases import RELEASES, schema_file
from support.families import every, nonzero
from support.postgres import Database, FreshDatabase, PostgresServer
from support.queries import PARAMETERS, QUERIES
from support.release_rows import ReleaseRows, ago

PLACE = ("default", "default_pool")


#: In `make test`: the oldest, the first of Airflow 3, the newest; all in `make reliability`.
_ALWAYS = {"2.10.2", "3.0.2", "3.3.2"}


@pytest.fixture(
    params=[
        pytest.param(one, marks=() if one in _ALWAYS else pytest.mark.reliability)
        for one in RELEASES
    ]
)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def airflow(
    version: str, postgres_server: PostgresServer, fresh_database: FreshDatabase
) -> Database:
    return fresh_database(template=postgres_server.holding(schema_file(version)))


@pytest.fixture
def database(version: str, airflow: Database) -> Iterator[PostgresMetadata]:
    """Airflow's database as the observing role of that release sees it."""
    folder = SCHEMAS[RELEASES[version]].folder
    with airflow.connect() as connection:
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'r'")
        connection.execute(grants("reader", folder).encode())
    metadata = PostgresMetadata(airflow.dsn_as("reader", "r"), connections=2)
    metadata.open()
    yield metadata
    metadata.close()
    airflow.execute("DROP OWNED BY reader")
    airflow.execute("DROP ROLE reader")


@pytest.fixture
def rows(version: str, airflow: Database) -> Iterator[ReleaseRows]:
    rows = ReleaseRows(airflow, version)
    yield rows
    rows.close()


def test_every_query_runs_with_the_release_s_grants_and_reads_by_index(
    version: str, airflow: Database, database: PostgresMetadata
) -> None:
    schema = SCHEMAS[RELEASES[version]]
    #: Airflow 2 keeps one row a DAG there: it does not grow.
    growing = GROWING - ({"serialized_dag"} if schema.folder == "airflow_2_10" else set())
    for query in QUERIES:
        if query == "statements":
            continue  # a table of an extension, which is not there
        parameters = PARAMETERS.get(query, {})
        database.rows(query, **parameters)
        text = query_text(schema.folder, query)
        assert whole_reads(plan_of(airflow, text, parameters, without=WHOLE), growing) == [], query


def test_retries_and_clears_are_counted_once_each(
    rows: ReleaseRows, database: PostgresMetadata
) -> None:
    rows.dag("orders", "tier:high", "team:ops")
    registry = DagRegistry(database, (), SystemClock(), keep=0.0, miss=0.0)
    runs = DagRunsCollector(database, registry, SystemClock())
    runs.collect()
    run = rows.run("orders", "queued")
    task = rows.task(run, "load", "scheduled", try_number=1, queued_dttm=None)
    runs.collect()
    rows.set_run(run, "running")
    rows.begin(task)
    runs.collect()
    rows.replace(task, "up_for_retry")  # the first try fails, in a run that goes on
    families = runs.collect()
    finished = nonzero(families, "task_instances_finished_total")
    assert finished == {("up_for_retry", "default", "high", "ops"): 1}
    rows.set_task(task, "scheduled", queued_dttm=None)
    runs.collect()
    rows.begin(task)
    rows.set_task(task, "success", end_date=ago(0))
    rows.set_run(run, "success")
    assert ended(runs.collect()) == {"up_for_retry": 1, "success": 1, "runs": 1, "started": 2}

    rows.replace(task, None)  # cleared, and over again before anybody looks
    rows.set_run(run, "queued", clears=1)
    rows.set_task(task, "scheduled", queued_dttm=None)
    rows.begin(task)
    rows.set_task(task, "success", end_date=ago(0))
    rows.set_run(run, "success")
    runs.collect()
    assert ended(runs.collect()) == {"up_for_retry": 1, "success": 2, "runs": 2, "started": 3}
    kinds = {labels[:2] for labels in nonzero(runs.collect(), "dag_runs_finished_total")}
    assert kinds == {("success", "scheduled")}


def ended(families: list[Family] | tuple[Family, ...] | object) -> dict[str, float]:
    assert isinstance(families, list)
    found = {k[0]: v for k, v in nonzero(families, "task_instances_finished_total").items()}
    found["runs"] = sum(every(families, "dag_runs_finished_total").values())
    found["started"] = sum(every(families, "task_instances_started_total").values())
    return found


def test_what_is_under_way_waits_and_is_late(
    version: str, rows: ReleaseRows, database: PostgresMetadata
) -> None:
    rows.insert("dag_bundle", name="dags", active=True) if not rows.two else None
    rows.insert("slot_pool", pool="default_pool", slots=3, include_deferred=False)
    rows.insert("asset", id=7, name="s3://sales", uri="s3://sales", created_at=ago(900))
    rows.insert("asset_event", asset_id=7, timestamp=ago(300))
    run = rows.run(rows.dag("on", next_dagrun_create_after=ago(400)))
    off = rows.run(rows.dag("off", is_paused=True))
    rows.dag("gone", is_stale=True)
    beat = (
        {"job_id": rows.job("LocalTaskJob", 400)} if rows.two else {"last_heartbeat_at": ago(400)}
    )
    rows.task(run, "r", "running", start_date=ago(4000), **beat)
    rows.task(run, "q", "queued", queued_dttm=ago(700))
    rows.task(run, "s", "scheduled", scheduled_dttm=ago(60), updated_at=ago(60), queued_dttm=None)
    rows.task(off, "held", "scheduled", queued_dttm=None)
    rows.run("on", "queued", queued_at=ago(90), run_after=ago(90), data_interval_end=ago(90))
    rows.job("SchedulerJob", 5)
    found: dict[str, list[Family]] = {}
    sources = ClusterSources(
        "x", database=database, targets=(FreshnessTarget("s3://sales", 600.0),)
    )
    for collector in collectors_for(sources, SystemClock()):
        found[collector.name] = list(collector.collect())
    assert nonzero(found["task_instances"], "task_instances") == {
        ("running", *PLACE): 1, ("queued", *PLACE): 1, ("scheduled", *PLACE): 1,
        ("scheduled_paused", *PLACE): 1,
    }  # fmt: skip
    pools = every(found["pools"], "pool_slots")
    assert pools["default_pool", "open"] == 1
    assert pools["default_pool", "scheduled"] == 2
    stuck = every(found["waiting"], "tasks_stuck")
    assert (stuck["running",], stuck["queued",]) == (1, 1)
    silence = every(found["waiting"], "task_heartbeat_oldest_age_seconds")
    assert silence["default",] == pytest.approx(400, abs=30)
    assert every(found["scheduler_lag"], "scheduler_lag_seconds")[()] == pytest.approx(400, abs=30)
    assert every(found["dags"], "dags") == {
        ("active",): 1, ("paused",): 1, ("stale",): 1, ("import_error",): 0,
    }  # fmt: skip
    oldest = every(found["late_runs"], "dag_run_oldest_age_seconds")
    assert oldest["queued", "unset"] == pytest.approx(90, abs=30)
    assert every(found["parsing"], "dag_files") == {("dags",): 2}
    assert len(every(found["heartbeats"], "component_up")) == 1
    updated = every(found["assets"], "asset_last_update_timestamp_seconds")
    assert list(updated.values()) == [pytest.approx(ago(300).timestamp(), abs=30)]


def test_failed_attempts_by_what_ended_them(rows: ReleaseRows, database: PostgresMetadata) -> None:
    rows.dag("orders", "team:ops")
    events = TaskEventsCollector(database, DagRegistry(database, (), SystemClock(), keep=0.0))
    events.collect()
    run = rows.run("orders")
    task = rows.task(run, "load", "running", operator="Bash")
    rows.replace(task, "up_for_retry")
    event = "failed" if rows.two else "up_for_retry"
    rows.insert(
        "log", id=1, event=event, dag_id="orders", task_id="load", run_id=f"run_{run}",
        map_index=-1, try_number=1, dttm=ago(0),
    )  # fmt: skip
    families = events.collect()
    assert nonzero(families, "task_retries_total") == {("task", "ops"): 1}
    assert nonzero(families, "operator_failures_total") == {("Bash",): 1}


def test_the_role_may_not_read_what_is_secret(
    airflow: Database, database: PostgresMetadata
) -> None:
    with (
        psycopg.connect(airflow.dsn_as("reader", "r")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT conf FROM dag_run")


def test_a_revision_that_nobody_knows_is_named_with_what_to_do(
    postgres_server: PostgresServer, fresh_database: FreshDatabase
) -> None:
    newer = fresh_database(template=postgres_server.holding(schema_file("3.3.2")))
    newer.execute("UPDATE alembic_version SET version_num = 'ffff00001111'")
    metadata = PostgresMetadata(newer.dsn)
    with pytest.raises(
        RejectedError, match=r"ffff00001111.*2.10.3 to 2.11.*remove metadata_database"
    ):
        metadata.rows("pools")
    metadata.close()
