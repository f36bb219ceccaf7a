"""Every query that reads the metadata database, with parameters that it takes."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources

#: What each query takes, beside nothing.
PARAMETERS: dict[str, dict[str, object]] = {
    "sessions": {"application": "airwarden"},
    "new_runs": {"after": 0, "missing": [1, 2]},
    "runs": {"ids": [1]},
    "rerun_runs": {"lookback": 60.0},
    "live_task_ids": {"lookback": 60.0},
    "runs_of_tasks": {"tasks": ["01890000-0000-7000-8000-000000000000"]},
    "tasks_of_runs": {"settle": [1], "open": [2], "lookback": 60.0},
    "assets": {"names": ["a"]},
    "asset_reports": {"after": 0, "until": 9},
    "last_successes": {"dags": ["d"]},
    "dag_patches": {"dag_id": "d"},
    "live_tasks": {"queued": 600.0, "silent": 300.0, "unattended": 300.0},
    "not_running": {
        "pools": ["default_pool", "endless"],
        "open": [5, None],
        "full": False,
        "limit": 600.0,
    },
    "oldest_startable": {"pools": ["default_pool", "endless"], "open": [5, None]},
    "overdue_runs": {"grace": 15.0},
    "due_runs": {"dags": ["d"], "due": [datetime(2026, 1, 5, tzinfo=UTC)]},
    "task_events": {"after": 0, "until": 9},
    "failed_attempts": {"after": 0, "until": 9},
    "attempt_events": {
        "dag_id": "d",
        "run_id": "r",
        "task_id": "t",
        "map_index": -1,
        "try_number": 1,
    },
    "canary_runs": {"dags": ["d"]},
    "new_dag_versions": {"after": "01890000-0000-7000-8000-000000000000"},
    "recent_outcomes": {"dags": ["d"]},
    "past_run_at": {"id": 1},
    "past_runs": {"low": 1, "high": 9},
    "past_tasks": {
        "low": "01890000-0000-7000-8000-000000000000",
        "high": "01890000-0001-7000-8000-000000000000",
    },
    "past_places": {"low": "0fffffff-ffff-7000-8000-000000000000"},
}
QUERIES = sorted(
    file.name.removesuffix(".sql")
    for file in (resources.files("airwarden.adapters") / "sql" / "airflow_3_3").iterdir()
    if file.name.endswith(".sql") and file.name != "grants.sql"
)
