"""Airflow itself: its configuration, its schema, and its processes."""

from __future__ import annotations

import base64
import configparser
import json
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg

from localplatform.describe import SCHEDULERS, WORKER_GROUP
from localplatform.errors import PlatformError
from localplatform.layout import LOOPBACK, WORKER_NUMBERS, Platform, secret, write_private
from localplatform.supervisord import ProgramSpec, clean_environment
from localplatform.waiting import wait_until

HERE = Path(__file__).resolve().parents[1]
SITE = HERE / "airflow_site"
FLEET_SOURCE = HERE / "dags"
FLEET_BUNDLE = "fleet"
WORKER_CONCURRENCY = 4
QUEUE = "default"
STARTED_AT_ONCE = ("api_server", "scheduler", "dag_processor", "triggerer")
WORKERS_STARTED_AT_ONCE = 2
SCHEMA_STAMP = "schema-migrated"


def write_config(platform: Platform) -> None:
    """Write ``airflow.cfg`` and the sign-in files; the keys made at first start are kept."""
    access = platform.airflow
    access.home.mkdir(parents=True, exist_ok=True)
    parser = configparser.RawConfigParser()
    for section, options in _settings(platform).items():
        # Airflow's parser expands %(name)s; no value here means that.
        parser[section] = {name: value.replace("%", "%%") for name, value in options.items()}
    lines: list[str] = []
    for section in parser.sections():
        lines += [f"[{section}]", *(f"{k} = {v}" for k, v in parser[section].items()), ""]
    write_private(access.home / "airflow.cfg", "\n".join(lines))
    passwords = {
        access.user: secret(access.password_file),
        access.viewer: secret(access.viewer_password_file),
        access.admin: secret(access.admin_password_file),
    }
    write_private(_passwords_file(platform), json.dumps(passwords))


def _settings(platform: Platform) -> dict[str, dict[str, str]]:
    access = platform.airflow
    dsn = platform.dsn(platform.postgres.airflow_dsn_file).removeprefix("postgresql://")
    hidden = platform.state_dir / "secrets"
    fernet_key = hidden / "airflow-fernet.key"
    if not fernet_key.exists():
        write_private(fernet_key, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    bundle = {
        "name": FLEET_BUNDLE,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(access.dags_dir), "refresh_interval": 5},
    }
    return {
        "core": {
            "executor": "CeleryExecutor",
            "load_examples": "True",
            "dags_folder": str(access.dags_dir),
            "fernet_key": fernet_key.read_text().strip(),
            "hostname_callable": "local_hostname.reported",
            "execution_api_server_url": f"{access.url}/execution/",
            "simple_auth_manager_users": f"{access.user}:op,{access.viewer}:viewer,"
            f"{access.admin}:admin",
            "simple_auth_manager_passwords_file": str(_passwords_file(platform)),
            # A flood must reach the broker: the scheduler's own limit would hide it.
            "parallelism": "256",
        },
        "database": {
            # The driver is named: SQLAlchemy 2.1 would take psycopg 3 for a bare postgresql://.
            "sql_alchemy_conn": f"postgresql+psycopg2://{dsn}",
        },
        "api": {
            "host": LOOPBACK,
            "port": str(_port(access.url)),
            "base_url": access.url,
            "workers": "1",
            "secret_key": secret(hidden / "airflow-api.key"),
        },
        "api_auth": {"jwt_secret": secret(hidden / "airflow-jwt.key")},
        "scheduler": {
            "scheduler_heartbeat_sec": "2",
            "job_heartbeat_sec": "2",
            "enable_health_check": "True",
            # Without it the health server listens on every interface of the machine.
            "scheduler_health_check_server_host": LOOPBACK,
        },
        "triggerer": {"job_heartbeat_sec": "2"},
        "dag_processor": {
            "dag_bundle_config_list": json.dumps([bundle]),
            "bundle_refresh_check_interval": "2",
            # A changed file is parsed at once; the unchanged ones need not cost a core.
            "min_file_process_interval": "900",
            "parsing_processes": "1",
            "stale_bundle_cleanup_interval": "0",
        },
        "celery": {
            "broker_url": platform.redis.url,
            "result_backend": f"db+postgresql+psycopg2://{dsn}",
            "worker_concurrency": str(WORKER_CONCURRENCY),
        },
        "logging": {
            "base_log_folder": str(access.home / "logs"),
            "dag_processor_child_process_log_directory": str(
                access.home / "logs" / "dag_processor"
            ),
            "colored_console_log": "False",
        },
    }


def install_fleet(platform: Platform) -> None:
    """Copy the fleet's DAG files to where this platform reads them.

    A copy, because a story deploys a bad release into it, and because the files are then
    the newest of all: Airflow parses the newest first, before its own examples.
    """
    target = platform.airflow.dags_dir
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for source in sorted(FLEET_SOURCE.glob("*.py")):
        shutil.copy(source, target / source.name)


def environment(platform: Platform, hostname: str) -> dict[str, str]:
    """Return what an Airflow process needs beside the daemon's environment."""
    return {
        "AIRFLOW_HOME": str(platform.airflow.home),
        "AIRWARDEN_LOCAL_HOSTNAME": hostname,
        "PYTHONPATH": str(SITE),
        "PATH": f"{platform.airflow.executable.parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "BILLING_API_URL": platform.dependency.url,
    }


def migrate(platform: Platform) -> bool:
    """Create or upgrade the schema; return False when this Airflow has done it already.

    Raises :class:`PlatformError` with the end of its output when it fails.
    """
    stamp = platform.run_dir / SCHEMA_STAMP
    version = _installation(platform)
    if stamp.exists() and stamp.read_text() == version:
        return False
    done = subprocess.run(
        [str(platform.airflow.executable), "db", "migrate"],
        env=clean_environment(platform) | environment(platform, "setup-0"),
        capture_output=True,
        text=True,
        cwd=platform.airflow.home,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise PlatformError(f"airflow db migrate failed:\n{tail}")
    stamp.write_text(version)
    return True


def forget_interrupted_runs(platform: Platform) -> int:
    """Delete the runs that the last stop cut off, and return how many there were.

    Their tasks died with their workers. Left in place they would fail one by one after
    Airflow's heartbeat timeout of 300 s, and hold their DAG's run slots until then.
    A scheduler that runs may meet them half gone and be started again by its supervisor.
    """
    with psycopg.connect(platform.dsn(platform.postgres.airflow_direct_dsn_file)) as connection:
        return connection.execute(
            "DELETE FROM dag_run WHERE state IN ('queued', 'running')"
        ).rowcount


def _installation(platform: Platform) -> str:
    """Name the Airflow that is installed and the database it was pointed at."""
    library = platform.airflow.executable.parents[1] / "lib"
    found = sorted(library.glob("python*/site-packages/apache_airflow_core-*.dist-info"))
    if not found:
        raise PlatformError(
            f"no Airflow in {library.parent}: run `sh deploy/local/bootstrap.sh platform`"
        )
    created = (platform.postgres.data_dir / "PG_VERSION").stat().st_mtime_ns
    return f"{found[-1].name} {created}"


def programs(platform: Platform) -> tuple[list[ProgramSpec], dict[str, str]]:
    """Return every Airflow process as a supervised program, and the group of each worker.

    None starts with the daemon: the schema comes first.
    """
    specs = [
        _spec(platform, "api_server", ["api-server", "--apps", "all"], priority=40),
        *(
            _spec(platform, name, ["scheduler", "--skip-serve-logs"], port, priority=50)
            for name, port in zip(SCHEDULERS, platform.airflow.scheduler_health_ports, strict=True)
        ),
        _spec(platform, "dag_processor", ["dag-processor"], priority=50),
        _spec(platform, "triggerer", ["triggerer", "--skip-serve-logs"], priority=50),
    ]
    groups: dict[str, str] = {}
    for number in WORKER_NUMBERS:
        name = f"worker_{number}"
        hostname = platform.program(name).hostname or name
        arguments = ["celery", "worker", "--skip-serve-logs", "--queues", QUEUE,
                     "--celery-hostname", f"{hostname}@airwarden.local"]  # fmt: skip
        specs.append(_spec(platform, name, arguments, priority=60))
        groups[name] = WORKER_GROUP
    return specs, groups


def _spec(
    platform: Platform,
    name: str,
    arguments: list[str],
    health_port: int | None = None,
    *,
    priority: int,
) -> ProgramSpec:
    extra = environment(platform, platform.program(name).hostname or name)
    if health_port is not None:
        extra["AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT"] = str(health_port)
    is_worker = name.startswith("worker_")
    return ProgramSpec(
        name=name,
        command=[str(platform.airflow.executable), *arguments],
        environment=extra,
        directory=platform.airflow.home,
        # A worker asked to stop finishes its tasks first, however long they take.
        stop_wait=3600 if is_worker else 5,
        stop_as_group=not is_worker,
        priority=priority,
    )


def wait_api(platform: Platform, *, seconds: float) -> None:
    """Wait until the API server answers its version."""

    def answers() -> bool:
        try:
            return httpx.get(f"{platform.airflow.url}/api/v2/version", timeout=2).is_success
        except httpx.TransportError as error:
            raise ConnectionError(str(error)) from None

    wait_until(answers, seconds=seconds, what="the API server answers")


def wait_heartbeats(platform: Platform, *, since: float, seconds: float) -> None:
    """Wait until scheduler, triggerer and dag-processor have a job row that beat after ``since``.

    ``since`` is a POSIX timestamp. Rows of earlier starts stay in state ``running``.
    """
    expected = {"SchedulerJob", "TriggererJob", "DagProcessorJob"}

    def all_beat() -> bool:
        rows = _rows(
            platform,
            "SELECT DISTINCT job_type FROM job WHERE state = 'running'"
            " AND start_date > to_timestamp(%s)",
            since,
        )
        return expected <= {str(row[0]) for row in rows}

    wait_until(
        all_beat, seconds=seconds, what="scheduler, triggerer and dag-processor beat", every=0.5
    )


def wait_fleet(platform: Platform, *, seconds: float) -> None:
    """Wait until every DAG file of the fleet has been parsed."""
    expected = {path.name for path in platform.airflow.dags_dir.glob("*.py")}

    def parsed() -> bool:
        rows = _rows(
            platform,
            "SELECT DISTINCT relative_fileloc FROM dag WHERE bundle_name = %s AND NOT is_stale",
            FLEET_BUNDLE,
        )
        return expected <= {str(row[0]) for row in rows}

    wait_until(parsed, seconds=seconds, what="the fleet's DAG files are parsed", every=0.5)


def wait_workers(platform: Platform, names: list[str], *, seconds: float) -> None:
    """Wait until these workers (supervisord names) consume their queue."""
    from localplatform import celery_control  # celery takes 0.3 s to import

    expected = {platform.program(name).hostname for name in names}

    def consuming() -> bool:
        return expected <= {
            node.partition("@")[0] for node in celery_control.consuming(platform, seconds=1.0)
        }

    wait_until(consuming, seconds=seconds, what=f"workers {', '.join(names)} consume")


def now() -> float:
    """Return the time that :func:`wait_heartbeats` takes as ``since``."""
    return time.time()


def _rows(platform: Platform, query: str, *values: object) -> list[tuple[object, ...]]:
    dsn = platform.dsn(platform.postgres.airflow_direct_dsn_file)
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            return connection.execute(query.encode(), values).fetchall()
    except psycopg.OperationalError as error:
        raise ConnectionError(str(error)) from None


def _passwords_file(platform: Platform) -> Path:
    return platform.state_dir / "secrets" / "airflow-passwords.json"


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None  # noqa: S101 - the description always names it
    return port
