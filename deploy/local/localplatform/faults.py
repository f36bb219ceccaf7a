"""Breaking the platform on purpose, and undoing it.

Each fault is a function or a context manager that undoes itself. Faults reach their target
directly (never through the proxies), so one fault does not hinder another.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from localplatform import processes
from localplatform.airflow import QUEUE
from localplatform.airflow_api import AirflowApi
from localplatform.errors import PlatformError
from localplatform.layout import Platform
from localplatform.supervisord import ProgramSpec, Supervisor
from localplatform.waiting import wait_until

LEAK = "leak"
CAMPAIGNS = 5
BAD_RUNS = 20
"""A bad release fails run after run; a handful of them could be bad luck."""


def _tree(platform: Platform, program: str) -> list[psutil.Process]:
    """Return a supervised program's processes, those orphaned of it not included."""
    name = platform.program(program).name
    info = Supervisor(platform).process(name)
    found = processes.tree(info.pid) if info.pid else []
    if not found:
        raise PlatformError(f"{name} is not running ({info.state})")
    return found


def freeze(platform: Platform, program: str) -> list[int]:
    """Stop every process of a program with SIGSTOP; return their ids.

    The parent goes first, or it would see its children stop.
    """
    return processes.signal_all(_tree(platform, program), signal.SIGSTOP)


def thaw(platform: Platform, program: str) -> list[int]:
    """Let a frozen program run on; return its process ids."""
    return processes.signal_all(reversed(_tree(platform, program)), signal.SIGCONT)


@contextlib.contextmanager
def frozen(platform: Platform, program: str) -> Iterator[list[int]]:
    """Keep a program frozen during the block.

    Only the processes frozen here are woken: a successor started meanwhile is left alone.
    """
    stopped = _tree(platform, program)
    try:
        yield processes.signal_all(stopped, signal.SIGSTOP)
    finally:
        processes.signal_all(reversed(stopped), signal.SIGCONT)


def kill(platform: Platform, program: str, *, tree: bool = False) -> list[int]:
    """End a program with SIGKILL, alone or with all its children; return the ids.

    supervisord starts it again by itself.
    """
    found = _tree(platform, program)
    return processes.signal_all(found if tree else found[:1], signal.SIGKILL)


def flood(platform: Platform, *, tasks: int = 60, seconds: float = 8.0) -> str:
    """Queue that many tasks at once, each taking ``seconds``; return the run's id."""
    with AirflowApi(platform) as api:
        return api.trigger("flood", {"tasks": tasks, "seconds": seconds})


def exports(platform: Platform, *, tasks: int, seconds: float) -> str:
    """Start that many exports in their small pool; return the run's id."""
    with AirflowApi(platform) as api:
        return api.trigger("adhoc_export", {"exports": tasks, "seconds": seconds})


def long_task(platform: Platform, *, seconds: float = 120.0) -> str:
    """Start one task that runs that long; return the run's id."""
    with AirflowApi(platform) as api:
        return api.trigger("long_haul", {"seconds": seconds})


def dependency_down(platform: Platform) -> None:
    """Make the external dependency answer 503."""
    httpx.put(f"{platform.dependency.url}/control/down", timeout=5).raise_for_status()


def dependency_up(platform: Platform) -> None:
    """Make the external dependency answer again."""
    httpx.put(f"{platform.dependency.url}/control/up", timeout=5).raise_for_status()


@contextlib.contextmanager
def dependency_outage(platform: Platform) -> Iterator[None]:
    """Keep the external dependency down during the block."""
    dependency_down(platform)
    try:
        yield
    finally:
        dependency_up(platform)


def start_leak(
    platform: Platform, *, hold_lock: bool = True, per_second: float = 50.0, leave: int = 0
) -> int:
    """Start a client that leaks connections until none is left; return its process id.

    See :mod:`localplatform.leak`. ``leave`` slots are spared. With ``hold_lock`` one of its
    sessions sits idle in a transaction that holds the scheduler's lock.
    """
    stop_leak(platform)
    arguments = ["--state", str(platform.state_dir), "--per-second", str(per_second),
                 "--leave", str(leave)]  # fmt: skip
    if hold_lock:
        arguments.append("--hold-lock")
    supervisor = Supervisor(platform)
    supervisor.add(
        ProgramSpec(
            name=LEAK,
            command=[sys.executable, "-m", "localplatform.leak", *arguments],
            environment={"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
            autorestart=False,
        )
    )
    return supervisor.process(LEAK).pid


def stop_leak(platform: Platform) -> None:
    """End the leaking client, which closes its sessions; nothing happens when there is none."""
    Supervisor(platform).remove(LEAK)


@contextlib.contextmanager
def leaking(
    platform: Platform, *, hold_lock: bool = True, per_second: float = 50.0, leave: int = 0
) -> Iterator[int]:
    """Leak connections during the block."""
    try:
        yield start_leak(platform, hold_lock=hold_lock, per_second=per_second, leave=leave)
    finally:
        stop_leak(platform)


def slow_database(platform: Platform, delay_ms: float) -> None:
    """Delay every request to PostgreSQL through the proxy by that many milliseconds."""
    url = f"{platform.proxies.postgres_control_url}/delay"
    httpx.put(url, params={"ms": delay_ms}, timeout=5).raise_for_status()


def restore_database(platform: Platform) -> None:
    """End every fault of the database proxy."""
    httpx.put(f"{platform.proxies.postgres_control_url}/resume", timeout=5).raise_for_status()


@contextlib.contextmanager
def database_slow(platform: Platform, delay_ms: float) -> Iterator[None]:
    """Keep the database slow during the block."""
    slow_database(platform, delay_ms)
    try:
        yield
    finally:
        restore_database(platform)


@contextlib.contextmanager
def redis_out(platform: Platform) -> Iterator[None]:
    """Keep Redis stopped during the block; what it held in memory is lost, as in a crash."""
    supervisor = Supervisor(platform)
    supervisor.stop("redis")
    try:
        yield
    finally:
        supervisor.start("redis", wait=True)


def lose_messages(platform: Platform) -> int:
    """Delete what waits in the broker's queue, as a failover to an empty replica does; return how much."""
    import redis

    with redis.Redis.from_url(platform.redis.url) as broker:
        # One list a priority: their names begin with the queue's.
        lists = [name for name in broker.scan_iter(f"{QUEUE}*") if broker.type(name) == b"list"]
        waiting = sum(int(broker.llen(name)) for name in lists)
        if lists:
            broker.delete(*lists)
    return waiting


@contextlib.contextmanager
def blocked_table(platform: Platform, *, by: str, waits: str) -> Iterator[None]:
    """Let a session lock a table and do nothing more, and another wait for it, during the block.

    The table keeps which DAGs people have marked: nothing on the platform waits for it. ``by`` and ``waits`` are the
    sessions' application names.
    """
    import psycopg

    dsn = platform.dsn(platform.postgres.airflow_direct_dsn_file)
    lock = "LOCK TABLE dag_favorite IN ACCESS EXCLUSIVE MODE"

    def wait() -> None:
        with psycopg.connect(dsn, application_name=waits) as session:
            session.execute(lock)

    waiter = threading.Thread(target=wait, name=waits, daemon=True)
    # The session may be ended from outside: that is what the fault is for.
    with (
        contextlib.suppress(psycopg.OperationalError),
        psycopg.connect(dsn, application_name=by) as session,
    ):
        session.execute(lock)
        waiter.start()
        yield
        session.rollback()
    waiter.join(10)


def redis_outage(platform: Platform, *, seconds: float) -> None:
    """Stop Redis for that many seconds, blocking until it is back."""
    with redis_out(platform):
        time.sleep(seconds)


def deafen(platform: Platform, program: str) -> None:
    """Make a worker answer pings and consume nothing."""
    from localplatform import celery_control  # celery takes 0.3 s to import

    celery_control.set_consuming(platform, program, QUEUE, on=False)


def hear_again(platform: Platform, program: str) -> None:
    """Make a deaf worker consume again, until its next reconnection at least."""
    from localplatform import celery_control

    celery_control.set_consuming(platform, program, QUEUE, on=True)


def bad_deploy(platform: Platform, *, failures: int = 200) -> list[str]:
    """Deploy the growth team's bad release and start runs that fail that many tasks.

    Returns the ids of the runs.
    """
    release = platform.airflow.dags_dir / "growth_release.txt"
    release.write_text("bad\n")
    share, extra = divmod(failures, BAD_RUNS)
    runs: list[str] = []
    with AirflowApi(platform) as api:
        for number in range(BAD_RUNS):
            audiences = share + (1 if number < extra else 0)
            if audiences:
                dag_id = f"growth_campaign_{number % CAMPAIGNS}"
                runs.append(api.trigger(dag_id, {"audiences": audiences}))
    return runs


def good_deploy(platform: Platform) -> None:
    """Deploy the good release again."""
    (platform.airflow.dags_dir / "growth_release.txt").unlink(missing_ok=True)


def undo_all(platform: Platform) -> None:
    """Bring the platform back to its state without faults, whatever was done to it.

    Thaws every process, ends the leak, resumes the proxies, starts Redis and the dependency,
    deploys the good release and restarts deaf workers. Running floods drain by themselves.
    """
    from localplatform import celery_control

    processes.signal_all(processes.of_platform(platform.state_dir), signal.SIGCONT)
    stop_leak(platform)
    for url in (platform.proxies.postgres_control_url, platform.proxies.redis_control_url):
        httpx.put(f"{url}/resume", timeout=5).raise_for_status()
    Supervisor(platform).start("redis", wait=True)
    dependency_up(platform)
    good_deploy(platform)
    # A broker that was out takes its clients' connections with it: the first look may find that.
    answers = wait_until(
        lambda: celery_control.consuming(platform, seconds=1.5), seconds=60, what="workers answer"
    )
    for node, queues in answers.items():
        if not queues:
            Supervisor(platform).restart(celery_control.program_name(platform, node))


def wait_exhausted(platform: Platform, *, seconds: float) -> None:
    """Wait until PostgreSQL refuses an ordinary session."""
    import psycopg

    def refused() -> bool:
        dsn = platform.dsn(platform.postgres.airflow_direct_dsn_file)
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
        except psycopg.OperationalError:
            return True
        return False

    wait_until(refused, seconds=seconds, what="PostgreSQL refuses connections")
