"""A small filled fleet behind the real exporter, a remediator, and a real Prometheus with every rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import yaml

from airwarden.adapters.broker_redis import RedisBroker
from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import (
    FakeAirflow,
    FakeEvents,
    FakeHost,
    FakeMariaDb,
    FakePooler,
    FakeProbe,
    FakeStatsd,
    FakeWorkers,
)
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.core.platform import Component, PoolerPool, StatsdSample
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig
from airwarden.exporters.door import Door
from airwarden.exporters.events import EVENTS, EventDoor, EventIntake, Place
from airwarden.exporters.failures.desk import FailureDesk
from airwarden.exporters.failures.door import FAILURES, FailureDoor
from airwarden.exporters.reported import ReportedValues
from airwarden.exporters.server import Post
from airwarden.exporters.sources import FailureOptions, FreshnessTarget
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.leadership import LeaseTimes
from airwarden.rules.build import build
from airwarden.rules.config import RuleConfig
from support.eventually import eventually
from support.monitoring import Prometheus
from support.postgres import Database
from support.redis import RedisServer
from support.remediator import Running, quick_playbook

SECOND = timedelta(seconds=1)
CLUSTER = "default"
#: What Airflow reports over StatsD, as it names it, again and again.
_REPORTED = (
    StatsdSample("scheduler.scheduler_loop_duration", "timer", 81.5, sender="127.0.0.1"),
    StatsdSample("scheduler.critical_section_duration", "timer", 3.0, sender="127.0.0.1"),
    StatsdSample("scheduler.critical_section_busy", "counter", 1, sender="127.0.0.1"),
    StatsdSample("scheduler.executor_heartbeat_duration", "timer", 12.0, sender="127.0.0.1"),
    StatsdSample("dag_processing.file_path_queue_size", "gauge", 2, sender="127.0.0.1"),
    StatsdSample("triggers.running.triggerer-0", "gauge", 200, sender="127.0.0.1"),
    StatsdSample("triggerer.capacity_left.triggerer-0", "gauge", 800, sender="127.0.0.1"),
    StatsdSample("triggers.blocked_main_thread", "counter", 1, sender="127.0.0.1"),
    StatsdSample("api_server.dag_bag.cache_hit", "counter", 9, sender="127.0.0.1"),
    StatsdSample("api_server.dag_bag.cache_miss", "counter", 1, sender="127.0.0.1"),
    StatsdSample("api_server.dag_bag.cache_size", "gauge", 40, sender="127.0.0.1"),
    StatsdSample("executor.open_slots.CeleryExecutor", "gauge", 5, sender="127.0.0.1"),
    StatsdSample("executor.queued_tasks.CeleryExecutor", "gauge", 1, sender="127.0.0.1"),
    StatsdSample("executor.running_tasks.CeleryExecutor", "gauge", 1, sender="127.0.0.1"),
)


class _Reporting(FakeStatsd):
    """Airflow that reports the same whenever it is listened to."""

    def drain(self) -> Sequence[StatsdSample]:
        self.put(*_REPORTED)
        return super().drain()


#: How often a running installation scrapes.
FILLED_SCRAPE = timedelta(seconds=15)


#: The one whom the exporter's doors let in.
SENDERS_TOKEN = "token-of-the-senders"
#: An asset whose age is promised; a fleet need not have it.
PROMISED_ASSET = "asset_1"


@dataclass(frozen=True)
class Filled:
    """What runs: the Prometheus, where the exporter is, and the remediator."""

    prometheus: Prometheus
    exporter: str
    remediator: Running

    def post(self, path: str, body: object) -> None:
        """Post JSON at one of the exporter's doors: `EVENTS` or `FAILURES`."""
        httpx.post(
            f"http://{self.exporter}{path}", json=body, timeout=30, trust_env=False,
            headers={"Authorization": f"Bearer {SENDERS_TOKEN}"},
        ).raise_for_status()  # fmt: skip


@contextmanager
def filled(
    fleet: Database,
    redis: RedisServer | None,
    folder: Path,
    *,
    scrape: timedelta = SECOND,
    history: Callable[[Path, str, str], None] | None = None,
) -> Iterator[Filled]:
    """A Prometheus that scrapes all of it and evaluates every rule.

    Args:
        fleet: A filled metadata database, brought to the present.
        redis: The broker; None for none.
        folder: For what it writes.
        scrape: How often; with a second every group is evaluated as often, those that are slow too.
        history: Writes Prometheus' past, given its folder, the exporter's page and its `instance`.
    """
    with ExitStack() as stack:
        clock = SystemClock()
        database = PostgresMetadata(fleet.dsn)
        database.open()
        stack.callback(database.close)
        broker = RedisBroker(redis.url) if redis is not None else None
        if broker is not None:
            stack.callback(broker.close)
        desk, values = FailureDesk(clock), ReportedValues(clock)
        sources = replace(
            _sources(database, broker, clock), reported=values, book=desk.book(CLUSTER)
        )
        exporter = Exporter(
            [sources], ExporterConfig(port=0, posts=_posts(desk, values, clock)), clock
        )
        exporter.start()
        stack.callback(exporter.stop)
        remediator = Running(
            f"sqlite:///{folder / 'journal.db'}",
            book=quick_playbook(
                attempts=1, verify={"check": "well", "within": "20s", "stable": "0s"}
            ),
            rails=Rails(cool_down=timedelta(0)),
            # It shares its process with the exporter, on a machine that may be busy.
            lease=LeaseTimes(ttl=90.0, self_fence=60.0),
        )
        stack.callback(remediator.stop)
        address = f"127.0.0.1:{exporter.port}"
        config = RuleConfig(
            clusters=(CLUSTER,),
            scrape_interval=scrape,
            evaluation_interval=scrape,
            exporters=(address,),
            remediators=(f"127.0.0.1:{remediator.remediator.port}",),
            alertmanagers=("http://127.0.0.1:1",),
        )
        for path, text in build(config).items():
            if path.startswith("prometheus/"):
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(_quick(text) if scrape == SECOND else text, encoding="utf-8")
        eventually(lambda: _get(address, "/readyz").is_success, within=120, what="it is collected")
        if history is not None:
            history(folder / "prometheus", _get(address, "/metrics").text, address)
        prometheus = Prometheus(folder / "prometheus")
        stack.callback(prometheus.stop)
        yield Filled(prometheus, address, remediator)


def _posts(desk: FailureDesk, values: ReportedValues, clock: SystemClock) -> dict[str, Post]:
    """What takes reports of listeners and events."""
    door = Door(lambda: SENDERS_TOKEN)
    intake = EventIntake(door, FakeEvents(), clock)
    intake.serve({CLUSTER: Place(values)})
    return {FAILURES: FailureDoor(desk).post(door), EVENTS: EventDoor(lambda: intake).post()}


def _get(address: str, path: str) -> httpx.Response:
    return httpx.get(f"http://{address}{path}", timeout=30, trust_env=False)


def _quick(text: str) -> str:
    """Evaluate what is evaluated now and then as often as the rest."""
    document = yaml.safe_load(text)
    for group in document.get("groups", ()):
        group.pop("interval", None)
    return yaml.safe_dump(document, sort_keys=False)


def _sources(
    database: PostgresMetadata, broker: RedisBroker | None, clock: SystemClock
) -> ClusterSources:
    programs = {
        Component.SCHEDULER: ["scheduler"],
        Component.TRIGGERER: ["triggerer"],
        Component.DAG_PROCESSOR: ["dag-processor"],
        Component.API_SERVER: ["api-server"],
        Component.WORKER: ["worker"],
    }
    pooler, workers = FakePooler(), FakeWorkers()
    pooler.put(PoolerPool("airflow/airflow", 1, 0, 0.0, {"active": 1, "idle": 1}))
    workers.put("worker@one", active=1)
    return ClusterSources(
        CLUSTER,
        airflow=FakeAirflow(clock),
        failures=FailureOptions(logs=False),
        database=database,
        broker=broker,
        workers=workers if broker is not None else None,
        host=FakeHost(clock, programs),
        pooler=pooler,
        mariadb=FakeMariaDb(),
        statsd=_Reporting(),
        dependencies={"billing": FakeProbe()},
        parallelism=64,
        machine=True,
        targets=(FreshnessTarget(PROMISED_ASSET, 3600.0),),
    )
