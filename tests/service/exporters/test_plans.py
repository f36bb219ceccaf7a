"""No query reads a table that grows without an index: the plans, on a fleet with history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from airwarden.adapters.metadata_schemas import NEWEST, query_text
from support.postgres import Database
from support.queries import PARAMETERS, QUERIES

#: Tables that grow with what Airflow does, not with what it has.
GROWING = frozenset(
    {
        "asset_event", "backfill_dag_run", "dag_run", "dag_version", "dagrun_asset_event", "deadline",
        "job", "log", "rendered_task_instance_fields", "serialized_dag", "task_instance",
        "task_instance_history", "task_reschedule", "xcom",
    }
)  # fmt: skip
#: Those of them that the small fleet fills enough for the planner to care.
LARGE = frozenset({"asset_event", "dag_run", "log", "task_instance", "task_instance_history"})
#: Partial indexes, which hold nothing but what has not ended: to read them whole is cheap.
PARTIAL = frozenset({"idx_dag_run_running_dags", "idx_dag_run_queued_dags"})
#: Ways that may read a table or an index whole.
WHOLE = ("seqscan", "hashjoin", "mergejoin", "sort")


def nodes(plan: dict[str, Any], limited: bool = False) -> Iterator[tuple[dict[str, Any], bool]]:
    """Walk a plan; with each node, whether a LIMIT above it ends it early."""
    limited = limited or plan["Node Type"] == "Limit"
    yield plan, limited
    blocks = plan["Node Type"] in ("Sort", "Hash", "Aggregate")  # reads all before the first row
    for child in plan.get("Plans", ()):
        yield from nodes(child, limited and not blocks)


def whole_reads(plan: dict[str, Any], tables: frozenset[str] = GROWING) -> list[str]:
    found = []
    for node, limited in nodes(plan):
        table = node.get("Relation Name")
        if table not in tables:
            continue
        by_index = "Index Cond" in node or "Recheck Cond" in node
        if by_index or node.get("Index Name") in PARTIAL:
            continue
        if node["Node Type"].startswith("Index") and limited:
            continue
        found.append(f"{node['Node Type']} on {table}")
    return found


def plan_of(
    database: Database, text: str, parameters: dict[str, Any], *, without: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the plan, as if the planner's ways that it is to do `without` were dear."""
    with psycopg.connect(database.dsn) as connection:
        # As a server with fast disks; a whole read of a small table must not look cheaper than it is.
        connection.execute("SET LOCAL random_page_cost = 1.1")
        for way in without:
            connection.execute(f"SET LOCAL enable_{way} = off")
        row = connection.execute(
            b"EXPLAIN (FORMAT JSON) " + text.encode(), parameters or None
        ).fetchone()
    assert row is not None
    answer = row[0] if isinstance(row[0], list) else json.loads(row[0])
    found: dict[str, Any] = answer[0]["Plan"]
    return found


@pytest.fixture(scope="module")
def realistic(fleet_template: Database) -> dict[str, dict[str, Any]]:
    """The parameters that the exporter would give each query now."""
    database = fleet_template
    newest = int(database.execute("SELECT max(id) FROM dag_run")[0][0])
    updates = int(database.execute("SELECT max(id) FROM asset_event")[0][0] or 0)
    latest = int(database.execute("SELECT max(id) FROM log")[0][0])
    runs = [
        int(row[0]) for row in database.execute("SELECT id FROM dag_run WHERE state = 'running'")
    ]
    tasks = database.execute("SELECT id::text FROM task_instance WHERE state = 'running' LIMIT 20")
    dags = [row[0] for row in database.execute("SELECT dag_id FROM dag ORDER BY dag_id LIMIT 5")]
    now: dict[str, dict[str, Any]] = {
        "new_runs": {"after": newest, "missing": [newest - 3]},
        "runs": {"ids": runs[:5]},
        "tasks_of_runs": {"settle": runs[:3], "open": runs[3:6], "lookback": 305.0},
        "runs_of_tasks": {"tasks": [row[0] for row in tasks]},
        "task_events": {"after": latest - 50, "until": latest},
        "failed_attempts": {"after": latest - 50, "until": latest},
        "canary_runs": {"dags": dags},
        "asset_reports": {"after": updates - 500, "until": updates},
        "last_successes": {"dags": dags},
        "recent_outcomes": {"dags": dags},
        "dag_patches": {"dag_id": dags[0]},
        "new_dag_versions": {"after": "ffffffff-0000-7000-8000-000000000000"},
    }
    return {query: {**PARAMETERS.get(query, {}), **now.get(query, {})} for query in QUERIES}


# pg_stat_statements is no table of Airflow's, and not there.
@pytest.mark.parametrize("query", [query for query in QUERIES if query != "statements"])
def test_no_query_reads_a_growing_table_without_an_index(
    query: str, fleet_template: Database, realistic: dict[str, dict[str, Any]]
) -> None:
    text = query_text(NEWEST, query)
    parameters = realistic[query]
    assert whole_reads(plan_of(fleet_template, text, parameters), LARGE) == []
    assert whole_reads(plan_of(fleet_template, text, parameters, without=WHOLE)) == []


@pytest.mark.parametrize(
    "query", ["open_run_ids", "open_runs", "consistency", "not_running", "overdue_runs"]
)
def test_a_page_with_many_open_runs_is_read_once(
    query: str, fleet_template: Database, realistic: dict[str, dict[str, Any]]
) -> None:
    # On a large fleet the planner takes the walk for cheaper: it does not know that they lie together.
    plan = plan_of(
        fleet_template, query_text(NEWEST, query), realistic[query], without=["bitmapscan"]
    )
    walked = [n for n, _ in nodes(plan) if n["Node Type"] in ("Index Scan", "Index Only Scan")]
    assert not PARTIAL & {node["Index Name"] for node in walked}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) FROM task_instance WHERE end_date > now() - interval '5 minutes'",
        "SELECT dag_id FROM dag_run WHERE queued_at > now() - interval '1 day'",
        "SELECT id FROM log ORDER BY owner LIMIT 5",
    ],
)
def test_a_whole_read_is_noticed(text: str, fleet_template: Database) -> None:
    assert whole_reads(plan_of(fleet_template, text, {})) != []
