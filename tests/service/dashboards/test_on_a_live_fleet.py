"""Every panel of every dashboard, asked of a real Prometheus that scrapes a live fleet: each has data, or is
empty for the reason that it gives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping

import httpx
import psycopg
import pytest

from airwarden.dashboards.absent import Source
from bench.fleet.fill import age
from bench.fleet.mover import Mover, Pace
from bench.fleet.shape import Dag, fleet
from support.dashboards import Json, dashboards, panels
from support.eventually import eventually
from support.filled import filled
from support.fleet import SMALL
from support.panels import Panel, asking, with_values
from support.postgres import Database, PostgresServer
from support.redis import RedisServer

pytestmark = pytest.mark.timeout(300)

#: What this platform has; of everything else a panel says that it has no source.
CONFIGURED = {
    Source.ASSETS,
    Source.DEPENDENCIES,
    Source.EVENTS,
    Source.MARIADB,
    Source.POOLER,
    Source.STATSD,
}
#: As Airflow's audit log tells of it; the fleet's mover writes none.
_AN_ATTEMPT_FAILS = """
INSERT INTO log (dttm, dag_id, task_id, map_index, event, run_id, owner, try_number)
SELECT now(), dag_id, task_id, map_index, 'failed', run_id, 'airflow', try_number
FROM task_instance WHERE state = 'running' LIMIT 1"""
_SOURCELESS, _NONE_NOW = "no source configured", "None now: "


@pytest.fixture(scope="module")
def live(
    postgres_server: PostgresServer,
    fleet_template: Database,
    session_redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[httpx.Client, list[Panel]]]:
    """Yield a client of Prometheus and the panels, while runs and tasks begin, end and fail."""
    database = postgres_server.create(f"panels_{fleet_template.name}", fleet_template.name)
    age(database.dsn)
    critical = max(
        (dag for dag in fleet(SMALL) if dag.tier == "critical" and not _idle(dag)),
        key=lambda dag: dag.per_day,
    )
    _let_fail(database, critical.dag_id)
    _leave_alone(database)
    others = [dag for dag in fleet(SMALL) if dag.dag_id != critical.dag_id]
    mover = Mover(database.dsn, others, Pace(per_day=10 * 86_400, speed=2000, trouble=8))
    made = filled(database, session_redis, tmp_path_factory.mktemp("filled"))
    # Somebody forgets a transaction.
    with psycopg.connect(database.dsn) as forgotten, made as world:
        forgotten.execute("SELECT 1")
        database.execute(_AN_ATTEMPT_FAILS)
        over = threading.Event()
        lives = threading.Thread(
            target=mover.live, args=(100_000,), kwargs={"within": 280, "stopped": over}
        )
        lives.start()
        with httpx.Client(base_url=world.prometheus.url, timeout=20, trust_env=False) as client:
            yield client, asking(critical.dag_id)
        over.set()
        lives.join()
        mover.close()
    postgres_server.drop(database)


def _idle(dag: Dag) -> bool:
    return dag.paused or dag.stale or dag.import_error


def _let_fail(database: Database, dag_id: str) -> None:
    """Let a DAG's last three runs have failed, and promise that it is never older than an hour."""
    database.execute(
        f"INSERT INTO dag_tag (name, dag_id) VALUES ('sla:1h', '{dag_id}') ON CONFLICT DO NOTHING"
    )
    database.execute(
        f"""UPDATE dag_run SET state = 'failed' WHERE id IN (
          SELECT id FROM dag_run WHERE dag_id = '{dag_id}' AND state IN ('success', 'failed')
          ORDER BY run_after DESC LIMIT 3)"""
    )


def _leave_alone(database: Database) -> None:
    """Let no table be vacuumed by itself, which happens when the server finds the time."""
    with database.connect() as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in tables.fetchall():
            connection.execute(f'ALTER TABLE "{name}" SET (autovacuum_enabled = false)'.encode())


def declared() -> Mapping[tuple[str, int], bool]:
    """Return of each panel whether it says that it is empty here."""
    return {
        (dashboard["uid"], panel["id"]): _says_empty(panel)
        for dashboard in dashboards()
        for panel in panels(dashboard)
        if panel.get("targets")
    }


def _says_empty(panel: Json) -> bool:
    said = panel["fieldConfig"]["defaults"].get("noValue", "")
    if said.startswith(_NONE_NOW):
        return True
    if not said.lower().startswith(_SOURCELESS):
        return False
    (source,) = (
        one for one in Source if said == one.absent or panel["description"].endswith(one.addition)
    )
    return source not in CONFIGURED


def series(client: httpx.Client, panel: Panel) -> int:
    """Return how many series with a number a panel's queries give now."""
    found = 0
    for expression, _ in panel.queries:
        asked = {"query": expression, "time": str(time.time())}
        body: Json = client.post("/api/v1/query", data=asked).json()
        assert body["status"] == "success", (panel.title, expression, body.get("error"))
        found += sum(1 for _ in with_values(body["data"]["result"]))
    return found


def test_every_panel_has_data_or_says_why_it_has_none(
    live: tuple[httpx.Client, list[Panel]],
) -> None:
    client, every = live
    empty = declared()
    assert len(every) == len(empty)
    missing = [one for one in every if not empty[one.dashboard, one.number]]

    def all_there() -> bool:
        missing[:] = [one for one in missing if not series(client, one)]
        return not missing

    try:
        eventually(all_there, within=120, every=2.0, what="every panel has data")
    except AssertionError:
        pytest.fail("empty, and does not say why: " + _named(missing))
    wrong = [one for one in every if empty[one.dashboard, one.number] and series(client, one)]
    assert not wrong, "has data, and says that there would be none here: " + _named(wrong)


def _named(found: list[Panel]) -> str:
    return "; ".join(f"{one.dashboard}: {one.title}" for one in found)
