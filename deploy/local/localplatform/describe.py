"""Make the description of a platform, or bring the saved one up to date."""

from __future__ import annotations

import re
from pathlib import Path

from localplatform.layout import (
    LOOPBACK,
    WORKER_NUMBERS,
    AirflowAccess,
    DependencyAccess,
    MonitoringAccess,
    Platform,
    PostgresAccess,
    Program,
    ProxyAccess,
    RedisAccess,
    SupervisordAccess,
    airflow_venv,
    choose_ports,
    data_home,
    description_path,
    port_is_free,
)

PORT_NAMES = (
    "supervisord", "postgres", "postgres_proxy", "postgres_control", "redis", "redis_proxy",
    "redis_control", "dependency", "api", "scheduler_health", "scheduler2_health",
    "prometheus", "alertmanager",
)  # fmt: skip
SCHEDULERS = ("scheduler", "scheduler2")
WORKER_GROUP = "workers"


def describe(state_dir: Path, *, max_connections: int | None) -> Platform:
    """Return the platform of this state folder, its ports chosen and checked.

    Saved ports are kept, but one that a stranger has taken meanwhile is replaced.
    Call it only when nothing of this platform runs. ``max_connections`` None keeps
    the saved value (100 at first).
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    state_dir.chmod(0o711)
    saved = Platform.load(state_dir) if description_path(state_dir).exists() else None
    ports = _ports(saved)
    connections = max_connections or (saved.postgres.max_connections if saved else 100)
    platform = _build(state_dir, ports, connections)
    for folder in (platform.log_dir, platform.run_dir, platform.supervisord.include_dir):
        folder.mkdir(parents=True, exist_ok=True)
    (state_dir / "secrets").mkdir(mode=0o700, exist_ok=True)
    platform.save()
    return platform


def _ports(saved: Platform | None) -> dict[str, int]:
    kept = {
        name: port
        for name, port in (_saved_ports(saved) if saved else {}).items()
        if port_is_free(port)
    }
    missing = [name for name in PORT_NAMES if name not in kept]
    fresh = choose_ports(len(missing), avoid=frozenset(kept.values()))
    return kept | dict(zip(missing, fresh, strict=True))


def _saved_ports(saved: Platform) -> dict[str, int]:
    return {
        "supervisord": saved.supervisord.socket_port,
        "postgres": saved.postgres.port,
        "postgres_proxy": saved.postgres.proxy_port,
        "postgres_control": _port_of(saved.proxies.postgres_control_url),
        "redis": saved.redis.port,
        "redis_proxy": _port_of(saved.redis.url),
        "redis_control": _port_of(saved.proxies.redis_control_url),
        "dependency": _port_of(saved.dependency.url),
        "api": _port_of(saved.airflow.url),
        "scheduler_health": saved.airflow.scheduler_health_ports[0],
        "scheduler2_health": saved.airflow.scheduler_health_ports[1],
        "prometheus": _port_of(saved.monitoring.prometheus_url),
        "alertmanager": _port_of(saved.monitoring.alertmanager_url),
    }


def _port_of(url: str) -> int:
    found = re.search(r":(\d+)(?:/|$)", url)
    assert found is not None, url  # noqa: S101 - every URL here was written with a port
    return int(found[1])


def _build(state_dir: Path, ports: dict[str, int], max_connections: int) -> Platform:
    hidden = state_dir / "secrets"
    airflow_home = state_dir / "airflow"
    return Platform(
        state_dir=state_dir,
        log_dir=state_dir / "logs",
        run_dir=state_dir / "run",
        airflow=AirflowAccess(
            url=_url(ports["api"]),
            user="svc",
            password_file=hidden / "airflow-svc.password",
            viewer="ro",
            viewer_password_file=hidden / "airflow-ro.password",
            admin="admin",
            admin_password_file=hidden / "airflow-admin.password",
            home=airflow_home,
            dags_dir=airflow_home / "dags",
            executable=airflow_venv() / "bin" / "airflow",
            scheduler_health_ports=[ports["scheduler_health"], ports["scheduler2_health"]],
        ),
        postgres=PostgresAccess(
            host=LOOPBACK,
            port=ports["postgres"],
            proxy_port=ports["postgres_proxy"],
            database="airflow",
            journal_database="airwarden",
            max_connections=max_connections,
            data_dir=data_home(state_dir),
            admin_dsn_file=hidden / "postgres-admin.dsn",
            airflow_dsn_file=hidden / "postgres-airflow.dsn",
            airflow_direct_dsn_file=hidden / "postgres-airflow-direct.dsn",
            observer_dsn_file=hidden / "postgres-observer.dsn",
            terminator_dsn_file=hidden / "postgres-terminator.dsn",
            journal_dsn_file=hidden / "postgres-journal.dsn",
        ),
        redis=RedisAccess(
            url=f"redis://{LOOPBACK}:{ports['redis_proxy']}/0",
            direct_url=f"redis://{LOOPBACK}:{ports['redis']}/0",
            port=ports["redis"],
        ),
        supervisord=SupervisordAccess(
            url=_url(ports["supervisord"]) + "/RPC2",
            user="supervisor",
            password_file=hidden / "supervisord.password",
            config=state_dir / "supervisord" / "supervisord.conf",
            include_dir=state_dir / "supervisord" / "conf.d",
            pid_file=state_dir / "run" / "supervisord.pid",
            socket_port=ports["supervisord"],
        ),
        monitoring=MonitoringAccess(
            prometheus_url=_url(ports["prometheus"]),
            prometheus_config=state_dir / "prometheus" / "prometheus.yml",
            prometheus_rules_dir=state_dir / "prometheus" / "rules",
            alertmanager_url=_url(ports["alertmanager"]),
            alertmanager_config=state_dir / "alertmanager" / "alertmanager.yml",
        ),
        dependency=DependencyAccess(name="billing-api", url=_url(ports["dependency"])),
        proxies=ProxyAccess(
            postgres_control_url=_url(ports["postgres_control"]),
            redis_control_url=_url(ports["redis_control"]),
        ),
        programs=_programs(),
    )


def _programs() -> list[Program]:
    return [
        Program(name="postgres", component="postgres"),
        Program(name="redis", component="redis"),
        Program(name="proxy_postgres", component="proxy"),
        Program(name="proxy_redis", component="proxy"),
        Program(name="dependency", component="dependency"),
        Program(name="api_server", component="api-server", hostname="api-server-0"),
        *(
            Program(name=name, component="scheduler", hostname=f"scheduler-{number}")
            for number, name in enumerate(SCHEDULERS)
        ),
        Program(name="dag_processor", component="dag-processor", hostname="dag-processor-0"),
        Program(name="triggerer", component="triggerer", hostname="triggerer-0"),
        *(
            Program(
                name=f"{WORKER_GROUP}:worker_{number}",
                component="worker",
                hostname=f"worker-{number}",
            )
            for number in WORKER_NUMBERS
        ),
        Program(name="prometheus", component="prometheus"),
        Program(name="alertmanager", component="alertmanager"),
    ]


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"
