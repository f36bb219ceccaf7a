"""The console over a journal on PostgreSQL: every page is read there as it is on SQLite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from airwarden.core.platform import Dag
from airwarden.remediation.console import reads
from airwarden.remediation.journal.store import Journal
from support.console_history import fill
from support.console_stage import Stage
from support.platform_bench import CLUSTER
from support.postgres import PostgresServer

#: Address → what stands there and nowhere else.
PAGES = {
    "/": "Scheduler 60 is dead or frozen",
    "/incidents": "DAGs fail or will be late",
    "/incidents?state=open": "DAGs fail or will be late",
    "/incidents?state=ended&before=20": "Scheduler 19 is dead or frozen",
    "/incidents?playbook=scheduler-restart": "scheduler-restart",
    "/incidents/30": "Scheduler 30 is dead or frozen",
    "/playbooks": "scheduler-restart",
    "/playbooks/scheduler-restart": "scheduler-restart",
    "/rails": "we roll back",
    "/dags": "orders_load",
    f"/dags/{CLUSTER}/orders_load": "DAGs fail or will be late",
    "/audit": "Airwarden",
    "/audit?people=yes": "ada",
    "/audit?about=incident/7": "Scheduler",
    "/audit?before=50": "incident/",
    "/configuration": "remediator",
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
) -> Iterator[Stage]:
    database = postgres_server.fresh() if request.param == "postgresql" else None
    made = Stage(
        tmp_path_factory.mktemp("journal"), journal=database.sqlalchemy_url if database else ""
    )
    books = [one.playbook for one in made.bench.playbooks.by_name.values() if one.playbook.steps]
    fill(made.bench.journal, books, 60, every=timedelta(minutes=13))
    made.bench.airflow.put_dag(Dag("orders_load", is_paused=False))
    made.bench.shout(
        "AirflowDagConsecutiveFailures",
        severity="warning",
        component="pipelines",
        dag_id="orders_load",
        summary="orders_load has failed 3 times in a row",
    )
    made.bench.run(10)
    yield made
    made.close()
    if database is not None:
        postgres_server.drop(database)


def test_every_page_is_read_and_orders_are_kept(stage: Stage) -> None:
    visitor = stage.visitor()
    visitor.get("/rails")
    sent = {"cluster": "*", "playbook": "", "reason": "we roll back", "sure": "yes"}
    said = visitor.order("/rails/stop", **sent)
    assert said.status_code == 303, re.sub(r"<[^>]+>", " ", said.text)[-600:]
    wrong = []
    for path, words in PAGES.items():
        answer = visitor.get(path)
        if answer.status_code != 200 or words not in answer.text:
            wrong.append((path, answer.status_code, words))
    assert wrong == []


def test_incidents_about_a_dag_are_found_by_its_whole_name(stage: Stage) -> None:
    journal: Journal = stage.bench.journal
    with journal.read() as tx:
        (one,) = reads.about_dag(tx, CLUSTER, "orders_load")
        assert one.labels["dag_id"] == "orders_load"
        for other in ("orders", "orders_loa_", "ORDERS_LOAD", "%", 'x", "dag_id": "orders_load'):
            assert reads.about_dag(tx, CLUSTER, other) == []
        assert reads.about_dag(tx, "elsewhere", "orders_load") == []
