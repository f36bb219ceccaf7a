"""The files for Airflow's side, in the interpreters of the Airflows that they are for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from airwarden.cli import airflow_files
from airwarden.exporters.failures.reports import read_report
from support.airflow_releases import environment
from support.monitoring import Scripted
from support.postgres import airflow_venv

#: What Airflow does: it finds the plugin in its folder and calls the hook with what it knows.
SCRIPT = """
import inspect, json, runpy, sys
from types import SimpleNamespace

try:
    from airflow.sdk.listener import get_listener_manager
except ImportError:
    from airflow.listeners.listener import get_listener_manager

manager = get_listener_manager()
ours = [one for one in manager.pm.get_plugins() if type(one).__name__ == "FailureListener"]
task = SimpleNamespace(postgres_conn_id="warehouse")
instance = SimpleNamespace(
    dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=2, task=task
)
known = {"previous_state": None, "task_instance": instance, "error": KeyError("x"), "session": None}
wanted = manager.hook.on_task_instance_failed.spec.argnames
manager.hook.on_task_instance_failed(**{name: known[name] for name in wanted})

made = runpy.run_path(sys.argv[1])
dags = [one for name, one in made.items() if name.startswith("airwarden_canary_")]
print(json.dumps({
    "listeners": len(ours),
    "hook": list(wanted),
    "dags": [
        {
            "dag_id": dag.dag_id, "tags": sorted(dag.tags), "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs, "paused": dag.is_paused_upon_creation,
            "timeout": dag.dagrun_timeout.total_seconds(),
            "tasks": [
                {"queue": t.queue, "pool": t.pool, "retries": t.retries, "operator": type(t).__name__}
                for t in dag.tasks
            ],
        }
        for dag in dags
    ],
}))
"""


def run(interpreter: Path, folder: Path) -> tuple[dict[str, Any], list[bytes]]:
    """Let an Airflow use both files; return what it says, and the reports that came."""
    (folder / "plugins").mkdir()
    airflow_files.write(
        airflow_files.listener(), airflow_files.LISTENER, folder / "plugins", force=False
    )
    dags = folder / airflow_files.CANARY
    dags.write_text(airflow_files.canary(["default", "gpu:a100"], "90s", "canaries"))
    reports: list[bytes] = []

    def answer(method: str, path: str, headers: object, body: bytes) -> tuple[int, str]:
        reports.append(body)
        return 204, ""

    endpoint = Scripted(answer)
    try:
        done = subprocess.run(
            [str(interpreter), "-c", SCRIPT, str(dags)],
            capture_output=True, text=True, timeout=120, cwd=folder,
            env={
                "HOME": str(folder), "AIRFLOW_HOME": str(folder), "PATH": "/usr/bin:/bin",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder / "plugins"),
                "AIRFLOW__AIRWARDEN__LISTENER_URL": f"http://{endpoint.address}/",
                "AIRFLOW__AIRWARDEN__LISTENER_TIMEOUT": "5",
            },
        )  # fmt: skip
    finally:
        endpoint.stop()
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said, reports


@pytest.mark.parametrize(
    "version",
    [
        "installed",
        pytest.param("2.10.2", marks=pytest.mark.reliability),
        pytest.param("2.11.2", marks=pytest.mark.reliability),
    ],
)
@pytest.mark.timeout(600)
def test_both_files_work_there(version: str, tmp_path: Path) -> None:
    home = airflow_venv() if version == "installed" else environment(version)
    said, reports = run(home / "bin" / "python", tmp_path)
    assert said["listeners"] == 1
    (body,) = reports
    told = read_report(body)
    assert (told.key.dag_id, told.key.try_number) == ("d", 2)
    assert told.evidence.raised[0].classes[0] == "builtins.KeyError"
    assert told.evidence.connections == ("warehouse",)

    default, gpu = sorted(said["dags"], key=lambda dag: str(dag["dag_id"]))
    assert default == {
        "dag_id": "airwarden_canary_default",
        "tags": ["airwarden-canary", "airwarden-canary:default", "airwarden-every:1m30s"],
        "catchup": False, "max_active_runs": 1, "paused": False, "timeout": 600.0,
        "tasks": [
            {"queue": "default", "pool": "canaries", "retries": 0, "operator": "PythonOperator"}
        ],
    }  # fmt: skip
    assert "airwarden-canary:gpu:a100" in gpu["tags"]
    assert gpu["tasks"][0]["queue"] == "gpu:a100"
