"""One side of the measurement: a platform of its own, with Airwarden beside it or without."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg

from localplatform import airflow, celery_control, faults
from localplatform.airflow_api import POOLS
from localplatform.describe import WORKER_GROUP
from localplatform.errors import PlatformError
from localplatform.layout import WORKER_NUMBERS, Platform
from localplatform.progress import Steps
from localplatform.supervisord import Supervisor
from localplatform.waiting import wait_until
from sidebyside.course import Course, Together
from sidebyside.faults import Fault
from sidebyside.liveness import Liveness
from sidebyside.measuring import cost, pending, started, steady
from sidebyside.results import HARNESS, WITH, Measured
from stories import installation
from stories.scene import Scene
from stories.timeline import Timeline

STEADY_DAGS = Path(__file__).parents[1] / "bench_dags" / "steady.py"
#: Slots of the pool that the hung tasks fill, and of Airflow's own.
SLOTS, DEFAULT_SLOTS = 4, 128
#: Seconds of steady load before a fault, of which this many are counted as before.
WARM, BEFORE = 65.0, 60.0
#: Seconds after the end within which what was due may still end, and a remedy that is under way may be
#: finished, as when slots are given back in steps and only then what failed is re-queued; what has not is lost.
SETTLE, SETTLE_REMEDY = 90.0, 300.0
#: Seconds for which one side waits for the other to be warm.
PATIENCE = 600.0


@dataclass
class Side:
    """One platform and, on one of the two sides, Airwarden.

    Attributes:
        name: `alone` or `airwarden`.
        platform: Its own: state folder, ports, database, broker, processes.
        revision: Of the code that is measured, as the version control names it.
    """

    name: str
    platform: Platform
    revision: str
    _installed: installation.Installation | None = field(default=None, init=False)

    @property
    def ledger(self) -> Path:
        """Where the steady load notes what it began and ended."""
        return self.platform.airflow.dags_dir / "steady.jsonl"

    def measure(self, fault: Fault, together: Together, *, limit: float) -> Measured:
        """Make the fault at the same moment as the other side, and watch until both are decided."""
        try:
            self._make_ready()
            scene = self._scene()
            before = self._warm(scene)
            together.start(patience=PATIENCE)
        except BaseException:
            together.fail()
            raise
        course = Course()
        scene.began = began = datetime.now(UTC)
        try:
            with Liveness(self.platform) as liveness, fault.make(self.platform):
                self._watch(scene, fault, before, course, together, limit)
                ended = datetime.now(UTC)
        finally:
            together.say(self.name, True)
            faults.undo_all(self.platform)
        self._settle(scene, began, ended)
        effects = tuple(e["summary"] for e in scene.effects()) if self._installed else ()
        taken = scene.incidents() if self._installed else []
        return Measured(
            fault=fault.name,
            side=self.name,
            harness=HARNESS,
            revision=self.revision,
            measured_at=began.isoformat(timespec="seconds"),
            load=round(os.getloadavg()[1], 1),
            page_seconds=_rounded(course.paged),
            heal_seconds=_rounded(course.healed),
            health_seconds=_rounded(course.unhealthy),
            effects=effects,
            incidents=tuple(f"{i['playbook']} {i['state'].lower()}: {i['reason']}" for i in taken),
            liveness=tuple(f"{name} at {at:.0f} s" for at, name in liveness.restarts),
            watched_seconds=round((ended - began).total_seconds(), 1),
            **asdict(cost(scene, self.ledger, began, ended)),
        )

    def _watch(
        self,
        scene: Scene,
        fault: Fault,
        before: float,
        course: Course,
        together: Together,
        limit: float,
    ) -> None:
        start = time.monotonic()
        while (seconds := time.monotonic() - start) < limit and not together.over:
            course.look(
                seconds,
                well=_calm(fault, scene, before),
                paged=self._installed is not None and _paged(scene),
                unhealthy=_says_unhealthy(scene),
            )
            together.say(self.name, course.decided(seconds))
            time.sleep(1)

    def _make_ready(self) -> None:
        """Bring everything to where it was before any fault; Airwarden remembers none either.

        A second of the same fault within the hour is another question: there its rails are stricter.
        """
        faults.undo_all(self.platform)
        self.ledger.unlink(missing_ok=True)
        load = self.platform.airflow.dags_dir / STEADY_DAGS.name
        if not load.exists() or load.read_bytes() != STEADY_DAGS.read_bytes():
            shutil.copy(STEADY_DAGS, load)
        _forget_backlog(self.platform)
        _programs_as_at_first(self.platform)
        _work_as_at_first(self.platform)
        if self.name == WITH:
            with _quiet() as steps:
                self._installed = installation.install(self.platform, steps=steps, production=True)
        else:
            installation.remove(self.platform)

    def _scene(self) -> Scene:
        installed = self._installed
        return Scene(
            platform=self.platform,
            timeline=Timeline(lambda _: None),
            remediator_url=installed.remediator_url if installed else "",
            api_token=installed.api_token if installed else "",
            endpoints_url=installed.endpoints_url if installed else "",
        )

    def _warm(self, scene: Scene) -> float:
        """Wait until the load has been steady for a while; return its starts a second."""
        since = 0.0

        def warm() -> bool:
            nonlocal since
            if not steady(scene):
                since = 0.0
                return False
            since = since or time.monotonic()
            return time.monotonic() - since >= WARM

        wait_until(warm, seconds=PATIENCE, what=f"{self.name}: the load is steady", every=2.0)
        now = datetime.now(UTC)
        return started(scene, now - timedelta(seconds=BEFORE), now) / BEFORE

    def _settle(self, scene: Scene, began: datetime, ended: datetime) -> None:
        """Let remedies be finished, and what was due in the span end."""
        end = time.monotonic() + SETTLE_REMEDY
        while time.monotonic() < end and self._installed and _under_way(scene):
            time.sleep(2)
        end = time.monotonic() + SETTLE
        while time.monotonic() < end and pending(scene, began, ended):
            time.sleep(2)


def _forget_backlog(platform: Platform) -> None:
    """Delete what an earlier fault left unfinished: its backlog is not this one's.

    Runs first, so that nothing puts their tasks into the queue again.
    """
    airflow.forget_interrupted_runs(platform)
    celery_control.forget_messages(platform, airflow.QUEUE)


def _programs_as_at_first(platform: Platform) -> None:
    """Run what ran at first and nothing more: an outage leaves programs given up, a remedy adds workers."""
    supervisor = Supervisor(platform)
    workers = [f"{WORKER_GROUP}:worker_{number}" for number in WORKER_NUMBERS]
    for name in workers[airflow.WORKERS_STARTED_AT_ONCE :]:
        supervisor.stop(name, wait=False)
    for name in (*airflow.STARTED_AT_ONCE, *workers[: airflow.WORKERS_STARTED_AT_ONCE]):
        supervisor.start(name)


def _work_as_at_first(platform: Platform) -> None:
    """Give pools their slots and the load's DAGs their schedule again, and to those alone."""
    slots = {"default_pool": DEFAULT_SLOTS, "steady": SLOTS} | {name: n for name, n, _ in POOLS}
    dsn = platform.dsn(platform.postgres.airflow_direct_dsn_file)
    with psycopg.connect(dsn) as session:
        for name, number in slots.items():
            session.execute(
                "INSERT INTO slot_pool (pool, slots, description, include_deferred)"
                " VALUES (%s, %s, 'bench', false) ON CONFLICT (pool) DO UPDATE SET slots = %s",
                (name, number, number),
            )
        session.execute("UPDATE dag SET is_paused = false WHERE dag_id LIKE 'steady_%'")
        # The demo's own DAGs would take a third of the machine, and are counted nowhere.
        session.execute(
            "UPDATE dag SET is_paused = true"
            " WHERE dag_id NOT LIKE 'steady_%' AND next_dagrun_create_after IS NOT NULL"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[Steps]:
    with Steps(quiet=True) as steps:
        yield steps


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _calm(fault: Fault, scene: Scene, before: float) -> bool:
    try:
        return fault.well(scene, before)
    except (httpx.HTTPError, psycopg.OperationalError, PlatformError, OSError, KeyError):
        return False


def _paged(scene: Scene) -> bool:
    try:
        return bool(scene.pages())
    except (httpx.HTTPError, ValueError):
        return False


def _under_way(scene: Scene) -> bool:
    try:
        return any(one["state"] == "REMEDIATING" for one in scene.incidents())
    except (httpx.HTTPError, ValueError):
        return True


def _says_unhealthy(scene: Scene) -> bool:
    try:
        return any(status not in ("healthy", "-") for status in scene.lights().values())
    except (httpx.HTTPError, ValueError):
        return True
