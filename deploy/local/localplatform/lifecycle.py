"""Start the platform, tell its state, stop it without leaving a process behind."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from localplatform import airflow, helpers, monitoring, postgres, processes, redis, supervisord
from localplatform.airflow_api import AirflowApi
from localplatform.describe import WORKER_GROUP, describe
from localplatform.errors import PlatformError
from localplatform.layout import Platform, default_state_dir, description_path
from localplatform.progress import Steps
from localplatform.supervisord import ProcessInfo, ProgramSpec, Supervisor
from localplatform.waiting import wait_until

START_DEADLINE = 300.0
"""Seconds allowed for each thing awaited at start; two cores shared with much else have taken 170."""

STOP_DEADLINE = 45.0
STOPPED_LAST = ("postgres", "redis", "proxy_postgres", "proxy_redis")


@dataclass(frozen=True)
class Status:
    """What runs: supervisord's words on each program, and processes nobody supervises."""

    running: bool
    programs: list[ProcessInfo]


def up(
    state_dir: Path | None = None,
    *,
    with_monitoring: bool = True,
    max_connections: int | None = None,
    steps: Steps | None = None,
) -> Platform:
    """Start the platform and return when it is healthy; one that runs is brought to that state.

    Raises :class:`PlatformError` saying what did not come up and where its log lies.
    """
    chosen = (state_dir or default_state_dir()).resolve()
    with steps or Steps() as shown:
        platform, supervisor = _daemon(chosen, max_connections, shown)
        try:
            _start(platform, supervisor, with_monitoring, shown)
        except PlatformError as error:
            raise PlatformError(f"{error}\n{_complaints(platform, supervisor)}") from None
    return platform


def _daemon(
    state_dir: Path, max_connections: int | None, steps: Steps
) -> tuple[Platform, Supervisor]:
    running = _running(state_dir)
    if running is not None:
        return running, Supervisor(running)
    with steps.step("ports, passwords, configuration"):
        _end_leftovers(state_dir)
        platform = describe(state_dir, max_connections=max_connections)
        postgres.write_dsn_files(platform)
        airflow.write_config(platform)
        airflow.install_fleet(platform)
        monitoring.write_minimal(platform)
        airflow_specs, groups = airflow.programs(platform)
        specs: list[ProgramSpec] = [
            postgres.program(platform),
            redis.program(platform),
            *helpers.programs(platform),
            *monitoring.programs(platform),
            *airflow_specs,
        ]
        supervisord.write_config(platform, specs, groups)
    with steps.step("PostgreSQL's data folder"):
        postgres.create_data(platform)
    with steps.step("supervisord"):
        return platform, supervisord.launch(platform)


def _start(platform: Platform, supervisor: Supervisor, with_monitoring: bool, steps: Steps) -> None:
    started = airflow.now()
    with ThreadPoolExecutor(thread_name_prefix="up") as pool:
        side = [pool.submit(_step, steps, "Redis", redis.wait_ready, platform)]
        if with_monitoring:
            for name in monitoring.PROGRAMS:
                supervisor.start(name)
            side.append(
                pool.submit(
                    _step, steps, "Prometheus, Alertmanager", monitoring.wait_ready, platform
                )
            )
        with steps.step("PostgreSQL, roles, databases"):
            postgres.wait_ready(platform, seconds=START_DEADLINE)
            postgres.create_roles_and_databases(platform)
        with steps.step("Airflow's schema"):
            airflow.migrate(platform)
            postgres.grant_observer(platform)
            if not _airflow_runs(supervisor):
                airflow.forget_interrupted_runs(platform)
        workers = [f"{WORKER_GROUP}:worker_{n}" for n in range(airflow.WORKERS_STARTED_AT_ONCE)]
        for name in (*airflow.STARTED_AT_ONCE, *workers):
            started = min(started, _start_time(supervisor, name))
            supervisor.start(name)
        side += [
            pool.submit(_step, steps, "API server", _api, platform),
            pool.submit(
                _step, steps, "scheduler, triggerer, dag-processor",
                lambda p, seconds: airflow.wait_heartbeats(p, since=started, seconds=seconds),
                platform,
            ),
            pool.submit(
                _step, steps, "workers",
                lambda p, seconds: airflow.wait_workers(p, workers, seconds=seconds), platform,
            ),
            pool.submit(_step, steps, "the fleet's DAGs", airflow.wait_fleet, platform),
        ]  # fmt: skip
        for future in side:
            future.result()


def _api(platform: Platform, *, seconds: float) -> None:
    airflow.wait_api(platform, seconds=seconds)
    with AirflowApi(platform) as api:
        api.create_pools()


def _step(steps: Steps, name: str, wait: Callable[..., None], platform: Platform) -> None:
    with steps.step(name):
        wait(platform, seconds=START_DEADLINE)


def _airflow_runs(supervisor: Supervisor) -> bool:
    """Whether any Airflow process is alive."""
    components = (*airflow.STARTED_AT_ONCE, "scheduler2")
    return any(
        info.pid
        for info in supervisor.processes()
        if info.name in components or info.name.startswith(f"{WORKER_GROUP}:")
    )


def _start_time(supervisor: Supervisor, name: str) -> float:
    """Return since when a program has been running, or infinity when it is not."""
    info = supervisor.process(name)
    return float(info.started_at) if info.state == "RUNNING" else float("inf")


def _running(state_dir: Path) -> Platform | None:
    if not description_path(state_dir).exists():
        return None
    platform = Platform.load(state_dir)
    pid = processes.read_pid(platform.supervisord.pid_file)
    ours = {process.pid for process in processes.of_platform(state_dir)}
    if pid in ours and Supervisor(platform).is_running():
        return platform
    return None


def _end_leftovers(state_dir: Path) -> None:
    """End what an earlier start left behind when its supervisord died without stopping it."""
    left = processes.end(processes.of_platform(state_dir), seconds=10)
    if left:
        raise PlatformError(f"processes of an earlier start cannot be ended: {left}")


def status(state_dir: Path | None = None) -> Status:
    """Return what supervisord says, without starting anything."""
    chosen = (state_dir or default_state_dir()).resolve()
    platform = _running(chosen)
    if platform is None:
        return Status(running=False, programs=[])
    return Status(running=True, programs=Supervisor(platform).processes())


def down(state_dir: Path | None = None, *, steps: Steps | None = None) -> list[int]:
    """Stop everything and return the ids of the processes that were ended.

    Raises :class:`PlatformError` if any process of this platform is still alive afterwards.
    """
    chosen = (state_dir or default_state_dir()).resolve()
    before = [process.pid for process in processes.of_platform(chosen)]
    with steps or Steps() as shown:
        platform = _running(chosen)
        if platform is not None:
            with shown.step("Airflow and the rest"):
                _stop_supervised(platform, Supervisor(platform))
        with shown.step("nothing left behind"):
            _end_leftovers(chosen)
    return before


def purge(state_dir: Path | None = None) -> None:
    """Stop the platform and delete all that it kept, its databases included."""
    chosen = (state_dir or default_state_dir()).resolve()
    down(chosen)
    if not description_path(chosen).exists():
        return  # never delete a folder that is not a platform's
    data = Platform.load(chosen).postgres.data_dir
    shutil.rmtree(chosen)
    if not data.is_relative_to(chosen):
        shutil.rmtree(data.parent)


def _stop_supervised(platform: Platform, supervisor: Supervisor) -> None:
    # A frozen process cannot hear a polite request.
    processes.signal_all(processes.of_platform(platform.state_dir), signal.SIGCONT)
    # All at once: by itself supervisord stops one group a second. The databases go last.
    _stop_and_forget(supervisor, spared=STOPPED_LAST)
    _stop_and_forget(supervisor)
    pid = processes.read_pid(platform.supervisord.pid_file)
    supervisor.shutdown()
    wait_until(
        lambda: pid is None or not processes.is_alive(pid),
        seconds=STOP_DEADLINE,
        what="supervisord ends",
    )


def _stop_and_forget(supervisor: Supervisor, *, spared: tuple[str, ...] = ()) -> None:
    asked: set[tuple[str, int]] = set()

    def gone() -> bool:
        chosen = [info for info in supervisor.processes() if info.name not in spared]
        for info in chosen:
            if info.stoppable and (info.name, info.pid) not in asked:
                asked.add((info.name, info.pid))
                supervisor.stop(info.name, wait=False)
                if info.name.startswith(f"{WORKER_GROUP}:"):
                    # Tasks still running are given up: the platform is going away.
                    processes.signal_all(processes.tree(info.pid), signal.SIGKILL)
        for group in {info.name.partition(":")[0] for info in chosen}:
            supervisor.forget(group)
        return not chosen

    wait_until(gone, seconds=STOP_DEADLINE, what="the supervised programs have stopped")


def _complaints(platform: Platform, supervisor: Supervisor) -> str:
    """Return the end of the log of every program that is not running as it should."""
    lines: list[str] = [f"logs: {platform.log_dir}"]
    try:
        bad = [info for info in supervisor.processes() if _keeps_failing(info)]
    except OSError as error:
        return f"{lines[0]}\nsupervisord does not answer: {error}"
    for info in bad:
        log = platform.log_dir / f"{info.name.rpartition(':')[2]}.log"
        tail = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
        lines.append(f"{info.name} is {info.state}: {info.description}")
        lines.extend(f"    {line}" for line in tail)
    return "\n".join(lines)


def _keeps_failing(info: ProcessInfo) -> bool:
    return info.state in ("FATAL", "BACKOFF", "EXITED", "STARTING") or 0 < uptime(info) < 30


def uptime(info: ProcessInfo) -> float:
    """Return how long a program has been running, in seconds; 0 when it is not."""
    return time.time() - info.started_at if info.state == "RUNNING" else 0.0
