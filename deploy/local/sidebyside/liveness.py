"""Liveness probes as the official Helm chart times them, on both sides: five failures, a minute apart.

The chart asks schedulers, triggerers and dag-processors for a fresh job of theirs (`airflow jobs check`, with
a threshold of Airflow's own 30 s), and workers for an answer to a ping; it restarts what failed five times.
The first probe is made ten seconds after the fault, on both sides: where it falls is chance on a real platform,
and must not be what tells the two sides apart.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import psycopg

from localplatform import celery_control
from localplatform.errors import PlatformError
from localplatform.layout import Platform
from localplatform.supervisord import Supervisor

INITIAL, PERIOD, FAILURES = 10.0, 60.0, 5
_JOBS = {
    "scheduler": "SchedulerJob",
    "triggerer": "TriggererJob",
    "dag_processor": "DagProcessorJob",
}


class Liveness:
    """Probes until it is stopped.

    Attributes:
        restarts: (seconds since the beginning, program) of what was restarted.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._stop = threading.Event()
        self._failed: dict[str, int] = {}
        self._begun = time.monotonic()
        self.restarts: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._run, name="liveness", daemon=True)

    def __enter__(self) -> Liveness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        self._stop.wait(INITIAL)
        while not self._stop.is_set():
            for program, alive in self._probes():
                self._failed[program] = 0 if alive() else self._failed.get(program, 0) + 1
                if self._failed[program] >= FAILURES:
                    self._failed[program] = 0
                    self._restart(program)
            self._stop.wait(PERIOD)

    def _probes(self) -> list[tuple[str, Callable[[], bool]]]:
        jobs = [
            (program.name, lambda kind=_JOBS[program.name]: self._fresh(kind))
            for program in self._platform.programs
            if program.name in _JOBS
        ]
        workers = [
            (program.name, lambda name=program.name: self._answers(name))
            for program in self._platform.programs
            if program.component == "worker" and self._runs(program.name)
        ]
        return [*jobs, *workers]

    def _runs(self, program: str) -> bool:
        return Supervisor(self._platform).process(program).pid != 0

    def _fresh(self, kind: str) -> bool:
        dsn = self._platform.dsn(self._platform.postgres.airflow_direct_dsn_file)
        query = (
            "SELECT 1 FROM job WHERE job_type = %s AND state = 'running'"
            " AND latest_heartbeat > now() - interval '30 seconds'"
        )
        try:
            # As the chart's probe: a session of its own, and a timeout of 20 s.
            with psycopg.connect(dsn, connect_timeout=20) as session:
                return session.execute(query, (kind,)).fetchone() is not None
        except psycopg.OperationalError:
            return False

    def _answers(self, program: str) -> bool:
        try:
            node = celery_control.node_name(self._platform, program)
            return node in celery_control.consuming(self._platform, seconds=3)
        except (PlatformError, OSError):
            return False

    def _restart(self, program: str) -> None:
        self.restarts.append((time.monotonic() - self._begun, program))
        with contextlib.suppress(PlatformError):
            Supervisor(self._platform).restart(program)
