"""Old and new programs on one journal while an upgrade rolls, with runs in flight."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.remediation.journal.migrate import newest_revision
from support.eventually import eventually
from support.failover import EACH
from support.old_version import install
from support.postgres import Database, FreshDatabase
from support.site import Replica, Site

#: The version that is upgraded: the last commit of main before the newest revision of the schema. Moved on with
#: each new one: `tests/unit/remediation/test_upgraded_version.py` holds that.
OLD = "080ca4d85ba83b0258c9f05048103d42662fbcce"

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(OLD, tmp_path_factory.mktemp("old"))


@pytest.fixture
def database(fresh_database: FreshDatabase) -> Database:
    return fresh_database()


@pytest.fixture
def site(tmp_path: Path, database: Database, fresh_database: FreshDatabase) -> Iterator[Site]:
    airflow = fresh_database(template="airflow")
    made = Site(tmp_path, database.sqlalchemy_url, airflow.dsn, times=10, every="4s")
    yield made
    made.close()


def leader(site: Site, database: Database) -> Replica | None:
    rows = database.execute("SELECT holder FROM lease WHERE expires_at > now()")
    pid = int(rows[0][0].split("/")[1]) if rows else 0
    return next((one for one in site.replicas if one.pid == pid), None)


def healed(site: Site, told: Replica, name: str) -> None:
    """Wait for the effect, and until the incident is closed as healed."""
    eventually(lambda: site.spawns(name) == 2, within=120, every=0.5, what=f"{name} is restarted")
    eventually(lambda: told.states()[name] == "RESOLVED", within=60, every=0.5, what="healed")


def revision(database: Database) -> str:
    return str(database.execute("SELECT version_num FROM alembic_version")[0][0])


def let_lead(site: Site, database: Database, wanted: list[Replica]) -> None:
    """Freeze all others until one of these leads, and let them go on then."""
    others = [
        one for one in site.replicas if one not in wanted and one.child.process.poll() is None
    ]
    for one in others:
        os.kill(one.pid, signal.SIGSTOP)
    eventually(lambda: leader(site, database) in wanted, within=60, what="one of them leads")
    for one in others:
        os.kill(one.pid, signal.SIGCONT)


def handed_over(site: Site, database: Database, leads: Replica, stopped: list[Replica]) -> float:
    """Stop these, the leader among them, and return the seconds until that one leads; promised: EACH."""
    began = time.monotonic()
    for one in stopped:
        one.stop()
    eventually(lambda: leader(site, database) is leads, within=EACH, what="the next one leads")
    return time.monotonic() - began


def test_runs_in_flight_survive_an_upgrade_that_rolls(
    site: Site, database: Database, old_python: Path
) -> None:
    first = site.start(old_python)
    eventually(lambda: leader(site, database) is first, within=30, what="the first leads")
    other, last = site.start(old_python), site.start(old_python)
    before = revision(database)
    scheduler = site.freeze("scheduler")
    assert last.post(scheduler) == 200
    eventually(lambda: last.states() == {"scheduler": "REMEDIATING"}, within=30)

    # The upgrade begins in the middle of a run: the schema changes under the old leader.
    new = [site.start()]
    assert revision(database) == newest_revision()
    first.stop()
    let_lead(site, database, new)
    other.stop()
    new.append(site.start())
    healed(site, new[0], "scheduler")
    assert database.execute("SELECT count(*) FROM run") == [(1,)]
    assert database.execute("SELECT min(fence_token) > 1 FROM attempt") == [(True,)]

    # A new one leads, and the old standby takes an alert for it.
    triggerer = site.freeze("triggerer")
    assert last.post(triggerer) == 200
    healed(site, last, "stubborn")

    # The upgrade is stopped half way: the old version leads on the new schema.
    back = handed_over(site, database, last, new)
    processor = site.freeze("dag-processor")
    assert last.post(processor) == 200
    healed(site, last, "parent")

    new.append(site.start())
    forth = handed_over(site, database, new[-1], [last])
    assert [site.spawns(name) for name in ("scheduler", "stubborn", "parent")] == [2, 2, 2]
    assert set(new[-1].states().values()) == {"RESOLVED"}
    for replica in site.replicas:
        assert "Traceback" not in replica.child.log.read_text()
    print(f"schema {before} → {newest_revision()}; without a leader {back:.1f} and {forth:.1f} s")
