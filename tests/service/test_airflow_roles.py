"""The shipped roles on a real Airflow with FAB: enough for everything that is used, and for nothing beside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.adapters.airflow_measured import AirflowMeasures
from airwarden.core.errors import RejectedError
from airwarden.core.platform import TaskKey
from airwarden.core.ports import Airflow, MeasuredAirflow
from support.airflow_api import DAG_ID, PASSWORD, POOL, AirflowApi
from support.postgres import ROOT, Database, PostgresServer, airflow_version

ROLES = ROOT / "deploy" / "permissions" / "airflow-roles.json"
OBSERVER, ACTING = "Airwarden observer", "Airwarden"
BACKFILL = 1
USERS = {OBSERVER: "watcher", ACTING: "healer"}

#: What Airwarden may never do, whoever asks it to: method, path below /api/v2, body.
NEVER: list[tuple[str, str, Mapping[str, Any] | None]] = [
    ("GET", "connections", None),
    ("POST", "connections", {"connection_id": "c", "conn_type": "http"}),
    ("GET", "variables", None),
    ("POST", "variables", {"key": "k", "value": "v"}),
    ("GET", "config", None),
    ("GET", "plugins", None),
    ("GET", "providers", None),
    ("GET", "eventLogs", None),
    ("GET", f"dagSources/{DAG_ID}", None),
    ("GET", f"dags/{DAG_ID}/dagRuns/one/taskInstances/first/xcomEntries", None),
    ("POST", "pools", {"name": "mine", "slots": 1}),
    ("DELETE", f"pools/{POOL}", None),
    ("DELETE", f"dags/{DAG_ID}", None),
    ("DELETE", f"dags/{DAG_ID}/dagRuns/one", None),
    ("DELETE", f"dags/{DAG_ID}/dagRuns/one/taskInstances/first", None),
    ("POST", "assets/events", {"asset_id": 1}),
]  # fmt: skip
#: Airflow lets whoever may trigger a run create a backfill too: there is no grant for the one alone.
NEVER_OF_THE_OBSERVER: list[tuple[str, str, Mapping[str, Any] | None]] = [
    ("POST", "backfills", {"dag_id": DAG_ID, "from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}),
    ("POST", f"dags/{DAG_ID}/dagRuns", {"logical_date": None}),
    ("PATCH", f"dags/{DAG_ID}", {"is_paused": True}),
    ("PATCH", f"pools/{POOL}?update_mask=slots", {"slots": 1}),
]  # fmt: skip
NEVER_OF_FAB = [("GET", "users"), ("GET", "roles"), ("GET", "permissions")]


class AirflowWithFab(AirflowApi):
    """The API server with FAB's users, the shipped roles, and one user of each."""

    def _environment(self, database: Database) -> Mapping[str, str]:
        manager = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        return {**super()._environment(database), "AIRFLOW__CORE__AUTH_MANAGER": manager}

    def _database(self, server: PostgresServer) -> Database:
        database = server.fresh(template="airflow")
        self.command(database, "fab-db", "migrate")
        self._fill(database)
        self.command(database, "sync-perm")
        self.command(database, "roles", "import", str(ROLES))
        for role, user in USERS.items():
            self.command(
                database, "users", "create", "--username", user, "--password", PASSWORD,
                "--role", role, "--email", f"{user}@example.com", "-f", user, "-l", user,
            )  # fmt: skip
        database.execute(
            "INSERT INTO backfill (id, dag_id, from_date, to_date, dag_run_conf, is_paused, reprocess_behavior,"
            " max_active_runs, created_at, updated_at)"
            " VALUES (%s, %s, now() - interval '2 days', now(), '{}', false, 'none', 1, now(), now())",
            BACKFILL, DAG_ID,
        )  # fmt: skip
        return database


def fab_environment() -> Path:
    """Return a virtual environment with this Airflow and FAB; make it where there is none."""
    version = airflow_version()
    folder = ROOT / ".cache" / "airflow" / f"{version}-fab"
    if (folder / "bin" / "airflow").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    subprocess.run(
        [str(ROOT / ".venv" / "bin" / "uv"), "pip", "install", "--quiet", "--python",
         str(folder / "bin" / "python"), f"apache-airflow[fab]=={version}", "psycopg2-binary", "asyncpg"],
        check=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def api(postgres_server: PostgresServer) -> Iterator[AirflowWithFab]:
    server = AirflowWithFab(postgres_server, fab_environment())
    yield server
    server.stop()


def rest(api: AirflowApi, role: str) -> AirflowRest:
    return AirflowRest(api.url, PasswordToken(api.url, USERS[role], lambda: PASSWORD), timeout=20)


def measured(api: AirflowApi, role: str) -> AirflowMeasures:
    token = PasswordToken(api.url, USERS[role], lambda: PASSWORD)
    return AirflowMeasures(api.url, token, timeout=20, rate=100)


def run_of(api: AirflowApi, **states: str) -> str:
    """Return a run's id, its tasks put into states by SQL."""
    run_id = f"roles-{datetime.now(UTC):%H%M%S%f}"
    rest(api, ACTING).trigger(DAG_ID, run_id=run_id, conf={})
    for task, state in states.items():
        api.database.execute(
            "UPDATE task_instance SET state = %s, try_number = 1, max_tries = 2, start_date = now()"
            " WHERE run_id = %s AND task_id = %s",
            state, run_id, task,
        )  # fmt: skip
    return run_id


Call = Callable[[Any, str], object]
_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
#: Every method of the two ports that only looks, by its name.
READS: dict[str, Call] = {
    "health": lambda airflow, _: airflow.health(),
    "version": lambda airflow, _: airflow.version(),
    "jobs": lambda airflow, _: airflow.jobs(),
    "dags": lambda airflow, _: airflow.dags(tags=["team:ops"])[0],
    "dag": lambda airflow, _: airflow.dag(DAG_ID),
    "pools": lambda airflow, _: airflow.pools()[0],
    "task_instances": lambda airflow, _: airflow.task_instances(states=["failed"])[0],
    "task_instance": lambda airflow, run: airflow.task_instance(TaskKey(DAG_ID, run, "first")),
    "held_back": lambda airflow, run: airflow.held_back(TaskKey(DAG_ID, run, "first")),
    "log_tail": lambda airflow, run: airflow.log_tail(
        TaskKey(DAG_ID, run, "first"), 1, most=1000, keep=100
    ),
    "dag_runs": lambda airflow, _: airflow.dag_runs()[0],
    "backfills": lambda airflow, _: airflow.backfills(DAG_ID),
    "dags_from": lambda airflow, _: airflow.dags_from(0, 10)[0][0],
    "open_runs": lambda airflow, _: airflow.open_runs(10)[0],
    "runs_ended_since": lambda airflow, _: airflow.runs_ended_since(_HOUR_AGO, 10),
    "live_tasks": lambda airflow, _: airflow.live_tasks(10),
    "tasks_since": lambda airflow, _: airflow.tasks_since(_HOUR_AGO, 10, by="start"),
    "tries": lambda airflow, run: airflow.tries(TaskKey(DAG_ID, run, "first")),
    "import_errors": lambda airflow, _: airflow.import_errors(),
    "dag_warnings": lambda airflow, _: airflow.dag_warnings(),
    "asset_updates": lambda airflow, _: airflow.asset_updates(["orders"]),
    "last_success": lambda airflow, _: airflow.last_success(DAG_ID),
}
#: Every one that changes something.
EFFECTS: dict[str, Call] = {
    "set_paused": lambda airflow, _: airflow.set_paused(DAG_ID, paused=False),
    "set_pool_slots": lambda airflow, _: airflow.set_pool_slots(POOL, 3),
    "clear": lambda airflow, run: airflow.clear([TaskKey(DAG_ID, run, "first")], note="roles"),
    "trigger": lambda airflow, run: airflow.trigger(DAG_ID, run_id=f"{run}-again", conf={}),
    "set_backfill_paused": lambda airflow, _: airflow.set_backfill_paused(BACKFILL, paused=True),
}


def methods(port: type) -> set[str]:
    return {name for name in vars(port) if not name.startswith("_")}


def test_every_call_of_the_ports_is_tried_here() -> None:
    assert methods(Airflow) | methods(MeasuredAirflow) == READS.keys() | EFFECTS.keys()


def test_the_file_grants_what_it_names_and_nothing_twice() -> None:
    granted: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in json.loads(ROLES.read_text()):
        assert entry["resource"] not in granted[entry["name"]]
        granted[entry["name"]][entry["resource"]] = entry["action"]
    assert set(granted) == {OBSERVER, ACTING}
    assert set(granted[OBSERVER].values()) == {"can_read"}
    assert not {"Connections", "Variables", "XComs", "Configurations", "Users"} & set(
        granted[ACTING]
    )
    assert not any("delete" in actions for actions in granted[ACTING].values())


@pytest.mark.reliability
@pytest.mark.parametrize("role", [OBSERVER, ACTING])
def test_with_a_role_everything_can_be_read_that_is_measured(
    api: AirflowWithFab, role: str
) -> None:
    run = run_of(api, first="failed")
    refused: dict[str, str] = {}
    for name, read in READS.items():
        airflow = rest(api, role) if name in methods(Airflow) else measured(api, role)
        try:
            read(airflow, run)
        except RejectedError as error:
            refused[name] = str(error)
    # A log that was never written is not there; whoever may not read it hears another answer.
    assert "403" not in refused.pop("log_tail", "")
    assert refused == {}


@pytest.mark.reliability
def test_with_its_role_every_action_works_and_the_observer_s_is_refused(
    api: AirflowWithFab,
) -> None:
    for effect in EFFECTS.values():
        run = run_of(api, first="failed")
        with pytest.raises(RejectedError, match="403"):
            effect(rest(api, OBSERVER), run)
        effect(rest(api, ACTING), run)


@pytest.mark.reliability
@pytest.mark.parametrize("role", [OBSERVER, ACTING])
def test_everything_beside_is_refused(api: AirflowWithFab, role: str) -> None:
    token = PasswordToken(api.url, USERS[role], lambda: PASSWORD).token()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=api.url, headers=headers, timeout=20, trust_env=False) as http:
        for method, path, body in NEVER + (NEVER_OF_THE_OBSERVER if role == OBSERVER else []):
            answer = http.request(method, f"/api/v2/{path}", json=body)
            assert answer.status_code == 403, (method, path, answer.status_code, answer.text[:200])
        for method, path in NEVER_OF_FAB:
            answer = http.request(method, f"/auth/fab/v1/{path}")
            assert answer.status_code in (401, 403), (method, path, answer.status_code)
