"""Failures and canaries on the real platform: a worker of a queue of our own, with the listener in it.

The listener is given four addresses: one that takes reports, one that hangs, one that answers 500 and one
where nothing listens. Its tasks must end as they would without it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import yaml

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.cli import airflow_files
from airwarden.core.platform import TaskKey
from airwarden.core.ports import MetadataDatabase
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig, FailureDesk
from airwarden.exporters.door import Door
from airwarden.exporters.failures.door import FAILURES, FailureDoor
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import RuleConfig
from localplatform import airflow as platform_airflow
from localplatform.airflow_api import AirflowApi
from localplatform.errors import PlatformError
from localplatform.layout import Platform
from localplatform.supervisord import clean_environment
from support.eventually import eventually
from support.monitoring import Prometheus, Scripted
from support.servers import Child, free_port

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(900)]

QUEUE, DAG_ID, TOKEN = "proof", "airwarden_proof", "listeners-token"
#: Seconds that the listener may take of a failed task, for all its addresses together.
LISTENER_SECONDS = 5.0
DAG = f'''
import os, signal
from datetime import datetime, timedelta
from airflow.sdk import dag, task


class Huge(ValueError):
    def __str__(self):
        return "x" * 5_000_000


@dag(dag_id="{DAG_ID}", schedule=None, start_date=datetime(2025, 1, 1), is_paused_upon_creation=False,
     tags=["tier:high", "team:proof"], default_args={{"queue": "{QUEUE}", "retries": 0}})
def proof():
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def mistake():
        raise KeyError("s3cret-value")

    @task
    def refused():
        import psycopg2
        warehouse_conn_id = "warehouse"
        psycopg2.connect("host=127.0.0.1 port=1 user=u password=s3cret-value dbname=d")

    @task
    def huge():
        raise Huge()

    @task
    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    mistake(), refused(), huge(), killed()


proof()
'''


class Scene:
    """An exporter that observes the platform and takes reports, and a worker that sends them."""

    def __init__(self, platform: Platform, folder: Path, stack: ExitStack) -> None:
        self.platform = platform
        clock = SystemClock()
        self.began = clock.now()
        self.desk = FailureDesk(clock)
        door = FailureDoor(self.desk)
        password = platform.airflow.password_file.read_text().strip()
        self.rest = AirflowRest(
            platform.airflow.url,
            PasswordToken(platform.airflow.url, platform.airflow.user, lambda: password),
        )
        database = PostgresMetadata(platform.dsn(platform.postgres.observer_dsn_file))
        stack.callback(database.close)
        self.exporter = Exporter(
            (self.sources("local", database), self.sources("managed", None)),
            ExporterConfig(port=0, posts={FAILURES: door.post(Door(lambda: TOKEN))}),
            clock,
        )
        self.exporter.start()
        stack.callback(self.exporter.stop)
        self.prometheus = self._prometheus(folder / "prometheus")
        stack.callback(self.prometheus.stop)
        self.worker = self._worker(folder, stack)
        stack.callback(self.worker.stop)

    def sources(self, name: str, database: MetadataDatabase | None) -> ClusterSources:
        return ClusterSources(name, airflow=self.rest, database=database, book=self.desk.book(name))

    def _prometheus(self, folder: Path) -> Prometheus:
        folder.mkdir()
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {
                    "job_name": "airwarden-exporter",
                    "honor_labels": True,
                    "static_configs": [{"targets": [f"127.0.0.1:{self.exporter.port}"]}],
                }
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        return Prometheus(folder)

    def _worker(self, folder: Path, stack: ExitStack) -> Child:
        plugins = folder / "plugins"
        plugins.mkdir()
        airflow_files.write(airflow_files.listener(), airflow_files.LISTENER, plugins, force=False)
        hanging = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        failing = Scripted(lambda *request: (500, "broken"))
        stack.callback(failing.stop)
        addresses = [
            f"http://127.0.0.1:{self.exporter.port}{FAILURES}",
            f"http://127.0.0.1:{hanging.getsockname()[1]}/",
            f"http://{failing.address}/",
            f"http://127.0.0.1:{free_port()}/",
        ]
        environment = clean_environment(self.platform) | platform_airflow.environment(
            self.platform, "proof-0"
        ) | {
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
            "AIRFLOW__AIRWARDEN__LISTENER_URL": ",".join(addresses),
            "AIRFLOW__AIRWARDEN__LISTENER_TOKEN": TOKEN,
            "AIRFLOW__AIRWARDEN__LISTENER_CLUSTER": "local",
            "AIRFLOW__AIRWARDEN__LISTENER_TIMEOUT": str(LISTENER_SECONDS),
        }  # fmt: skip
        return Child(
            [str(self.platform.airflow.executable), "celery", "worker", "--skip-serve-logs",
             "--queues", QUEUE, "--concurrency", "2", "--celery-hostname", "proof-0@airwarden.local"],
            folder / "worker.log",
            environment,
        )  # fmt: skip

    def alerting(self, cluster: str) -> bool:
        """Return whether AirflowCanaryMissing's expression holds for our queue."""
        context = resolve(RuleConfig()).get("AirflowCanaryMissing")
        assert context is not None
        found = self.prometheus.query(context.rule.expr(context))
        return (cluster, QUEUE) in [(f["metric"]["cluster"], f["metric"]["queue"]) for f in found]

    def untagged_runs(self) -> int:
        """Return how many runs of DAGs without a team, but for canaries, have ended since the exporter began."""
        return self._ended(
            "dag_id NOT LIKE 'airwarden_canary_%%' AND NOT EXISTS (SELECT 1 FROM dag_tag t"
            " WHERE t.dag_id = dag_run.dag_id AND t.name LIKE 'team:%%')"
        )

    def canary_runs(self) -> int:
        """Return how many runs of canaries have ended since the exporter began."""
        return self._ended("dag_id LIKE 'airwarden_canary_%%'")

    def _ended(self, which: str) -> int:
        dsn = self.platform.dsn(self.platform.postgres.airflow_direct_dsn_file)
        with psycopg.connect(dsn) as session:
            query = f"SELECT count(*) FROM dag_run WHERE end_date > %s AND {which}"
            (count,) = session.execute(query, (self.began,)).fetchone() or (0,)
        return int(count)

    def number(self, expression: str) -> float:
        found = self.prometheus.query(expression)
        return float(found[0]["value"][1]) if found else 0.0


@pytest.fixture(scope="module")
def scene(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    files = {
        platform.airflow.dags_dir / "airwarden_proof.py": DAG,
        platform.airflow.dags_dir / airflow_files.CANARY: airflow_files.canary([QUEUE], "10s", ""),
    }
    for file, text in files.items():
        file.write_text(text)
    with ExitStack() as stack:
        for file in files:
            stack.callback(file.unlink)
        yield Scene(platform, tmp_path_factory.mktemp("proof"), stack)


def test_every_failed_attempt_has_its_cause_and_no_task_suffers_from_the_listener(
    scene: Scene, platform: Platform
) -> None:
    with AirflowApi(platform) as api:
        run = eventually(
            lambda: _triggered(api), within=120, every=2, what=f"{DAG_ID} is parsed and started"
        )
        eventually(
            lambda: api.run_state(DAG_ID, run) == "failed", within=180, every=1, what="it fails"
        )

    def told() -> dict[tuple[str, int], tuple[str, str]]:
        listing = scene.desk.listing({"cluster": "local", "dag": DAG_ID})
        found = {
            (one["task_id"], one["try_number"]): (one["cause"], one["evidence"]["source"])
            for one in listing
        }
        return found if len(found) == 5 else {}

    causes = eventually(told, within=90, every=1, what="five failed attempts have their cause")
    assert causes == {
        ("mistake", 1): ("dag_code", "listener"),
        ("mistake", 2): ("dag_code", "listener"),
        ("refused", 1): ("dependency", "listener"),
        ("huge", 1): ("dag_code", "listener"),
        ("killed", 1): ("infrastructure", "log"),
    }
    listing = scene.desk.listing({"cluster": "local", "dag": DAG_ID})
    (refused,) = [one for one in listing if one["task_id"] == "refused"]
    assert refused["evidence"]["connections"] == ["warehouse"]
    assert refused["evidence"]["exception"] == "psycopg2.OperationalError"
    assert "s3cret" not in str(listing)
    # Exactly once, in the counters as well.
    failures = 'sum(airwarden_task_failures_total{cluster="local",team="proof"})'
    eventually(lambda: scene.number(failures) == 5, within=10, what="five failures are counted")
    # The listener told of its trouble in the log, and took no longer than it may.
    log = scene.rest.log_tail(
        TaskKey(DAG_ID, run, "mistake"), 2, most=10_000_000, keep=200_000
    ).text.decode()
    assert log.count("Airwarden was not told of this failure") >= 2


def test_without_a_database_the_same_is_known_by_rest(scene: Scene) -> None:
    # The first attempt of the task that was retried within a second may be missed, as documented; the log of
    # the huge exception is longer than any that is read.
    expected = {
        ("mistake", 2): "dag_code", ("refused", 1): "dependency", ("huge", 1): "unknown",
        ("killed", 1): "infrastructure",
    }  # fmt: skip

    def told() -> dict[tuple[str, int], str]:
        listing = scene.desk.listing({"cluster": "managed", "dag": DAG_ID})
        found = {(one["task_id"], one["try_number"]): one["cause"] for one in listing}
        return found if expected.keys() <= found.keys() else {}

    causes = eventually(told, within=90, every=1, what="the failures are known by REST")
    assert {key: cause for key, cause in causes.items() if key in expected} == expected


def test_a_canary_proves_its_queue_until_its_worker_is_gone(scene: Scene) -> None:
    series = 'airwarden_canary_last_success_timestamp_seconds{queue="proof"}'
    for cluster in ("local", "managed"):
        one = series.replace("}", f',cluster="{cluster}"}}')
        eventually(lambda one=one: scene.number(one) > 0, within=180, every=1, what=one)  # type: ignore[misc]  # a default has no type
        first = scene.number(one)
        eventually(lambda one=one, f=first: scene.number(one) > f, within=90, every=1, what=one)  # type: ignore[misc]  # a default has no type
    took = scene.number('airwarden_canary_run_duration_seconds{queue="proof",cluster="local"}')
    assert 0 < took < 60
    eventually(lambda: not scene.alerting("local"), within=90, every=1, what="no alert")

    scene.worker.stop()
    for cluster in ("local", "managed"):
        eventually(
            lambda cluster=cluster: scene.alerting(cluster),  # type: ignore[misc]  # a default has no type
            within=120, every=1, what=f"AirflowCanaryMissing holds on {cluster}",
        )  # fmt: skip
    # Of DAGs without a team only those of others are counted: the canary's runs are counted nowhere.
    untagged = 'sum(airwarden_dag_runs_finished_total{cluster="local",team="unset"})'
    assert scene.canary_runs() > 0
    assert scene.number(untagged) == scene.untagged_runs()


def _triggered(api: AirflowApi) -> str:
    try:
        return api.trigger(DAG_ID, {})
    except PlatformError as error:
        if "404" in str(error):
            return ""
        raise
