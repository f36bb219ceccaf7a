"""A real Airflow API server on a copy of the schema, with one DAG; no scheduler: states are set by SQL."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from support.eventually import eventually
from support.postgres import Database, PostgresServer, airflow_venv
from support.servers import Child, free_port

USER, VIEWER, PASSWORD = "svc", "ro", "contract"
DAG_ID, TASKS, POOL = "contract", ("first", "second"), "side"
_DAG = f'''
from datetime import datetime
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

# A schedule, because only what has one can be back-filled; no scheduler is here to follow it.
with DAG("{DAG_ID}", schedule="@daily", catchup=False, start_date=datetime(2026, 1, 1), tags=["team:ops", "tier:low"]):
    EmptyOperator(task_id="first", retries=2) >> EmptyOperator(task_id="second", pool="{POOL}")
'''


class AirflowApi:
    """One api-server process and its database.

    Args:
        server: Where the database is made.
        venv: The Airflow; the platform's by default.
        port: Where it listens; a free one by default.
    """

    def __init__(
        self, server: PostgresServer, venv: Path | None = None, *, port: int | None = None
    ) -> None:
        self.venv = venv or airflow_venv()
        self.home = Path(tempfile.mkdtemp(prefix="airwarden-airflow-"))
        self.port = port or free_port()
        self._prepare()
        self.database = self._database(server)
        self.child = Child(
            [str(self.venv / "bin" / "airflow"), "api-server", "--workers", "1", "--host",
             "127.0.0.1", "--port", str(self.port)],
            self.home / "api-server.log",
            self._environment(self.database),
        )  # fmt: skip
        eventually(self._answers, within=240, every=0.3, what="the API server answers")

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.port}"

    def _answers(self) -> bool:
        self.child.check()
        try:
            return httpx.get(f"{self.url}/api/v2/version", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def _prepare(self) -> None:
        (self.home / "dags").mkdir()
        (self.home / "dags" / "contract.py").write_text(_DAG)
        (self.home / "passwords.json").write_text(json.dumps({USER: PASSWORD, VIEWER: PASSWORD}))

    def _environment(self, database: Database) -> Mapping[str, str]:
        settings = {
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_FOLDER": str(self.home / "dags"),
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:op,{VIEWER}:viewer",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "API_AUTH__JWT_SECRET": "contract-contract-contract-contract-contract",
            "API__SECRET_KEY": "contract",
            "DATABASE__SQL_ALCHEMY_CONN": database.dsn.replace(
                "postgresql://", "postgresql+psycopg2://", 1
            ),
        }
        return {
            "AIRFLOW_HOME": str(self.home),
            "HOME": str(self.home),
            "PYTHONPATH": "",
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        }

    def _database(self, server: PostgresServer) -> Database:
        """Return a database that knows the DAG; made once and kept beside the schema's dump."""
        key = hashlib.sha256(_DAG.encode()).hexdigest()[:12]
        return server.kept(f"airflow-contract-{key}", template="airflow", fill=self._fill)

    def _fill(self, database: Database) -> None:
        self.command(database, "dags", "reserialize")
        database.execute(
            "INSERT INTO slot_pool (pool, slots, include_deferred) VALUES (%s, 4, true)", POOL
        )
        assert database.execute("SELECT dag_id FROM dag") == [(DAG_ID,)]

    def command(self, database: Database, *arguments: str) -> None:
        """Run one of Airflow's own commands."""
        done = subprocess.run(
            [str(self.venv / "bin" / "airflow"), *arguments],
            capture_output=True, text=True, timeout=180,
            env={**os.environ, **self._environment(database)},
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-1500:]}{done.stderr[-1500:]}"

    def stop(self) -> None:
        """End it and remove its folder."""
        self.child.stop()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_api(postgres_server: PostgresServer) -> Iterator[AirflowApi]:
    """The session's Airflow API server."""
    server = AirflowApi(postgres_server)
    yield server
    server.stop()
