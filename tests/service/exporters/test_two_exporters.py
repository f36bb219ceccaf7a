"""Two real exporter programs on one lease in PostgreSQL: sums never double, whatever becomes of the active."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from support.airflow_rows import AirflowRows
from support.eventually import eventually
from support.postgres import Database, PostgresServer
from support.programs import Program, airwarden, answers, free_port
from support.proxy import FreezableProxy

#: Seconds that a lease lasts here, and within which another exporter must have followed a lost one: the
#: lease, a look, and the first collect on a busy machine. In production the lease lasts 15.
LIFE, TAKEN_OVER = 3, 15
_SETTINGS = """\
clusters:
  - name: east
    airflow: {{url: "http://127.0.0.1:1", auth: {{token_file: token}}}}
    metadata_database: {{dsn_file: dsn}}
exporter:
  listen: 127.0.0.1:{port}
  lease: {{url_file: journal, life: {life}s}}
  collectors: {{dag_runs: {{interval: 1s}}}}
"""


class Replica:
    """One exporter program, which reaches the journal through a proxy of its own."""

    def __init__(
        self, folder: Path, journal: Database, airflow: Database, stack: ExitStack
    ) -> None:
        folder.mkdir()
        self._folder, self._stack = folder, stack
        self.proxy = FreezableProxy(journal.port)
        stack.callback(self.proxy.close)
        self.port = free_port()
        (folder / "token").write_text("token")
        (folder / "dsn").write_text(airflow.dsn)
        url = journal.sqlalchemy_url.replace(f":{journal.port}/", f":{self.proxy.port}/")
        (folder / "journal").write_text(url)
        (folder / "airwarden.yaml").write_text(_SETTINGS.format(port=self.port, life=LIFE))
        self.start()

    def start(self) -> None:
        """Start the program, anew where it has ended."""
        self.program: Program = self._stack.enter_context(
            airwarden("exporter", folder=self._folder)
        )

    def page(self) -> str:
        """What it serves; empty while it does not answer."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=1).text
        except httpx.TransportError:
            return ""

    @property
    def shows(self) -> bool:
        """Whether it shows the platform; what it says of itself must agree."""
        page = self.page()
        shown = 'airwarden_dag_runs{cluster="east"' in page
        assert not shown or 'airwarden_leader{cluster="airwarden"} 1' in page
        return shown


class Site:
    """Both of them."""

    def __init__(
        self, folder: Path, journal: Database, airflow: Database, stack: ExitStack
    ) -> None:
        self.replicas = [Replica(folder / name, journal, airflow, stack) for name in ("a", "b")]

    @property
    def leader(self) -> Replica:
        return next(one for one in self.replicas if one.shows)

    def other(self, replica: Replica) -> Replica:
        return next(one for one in self.replicas if one is not replica)


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Site]:
    airflow, journal = postgres_server.fresh("airflow"), postgres_server.fresh("")
    rows = AirflowRows(airflow)
    rows.run(rows.dag("orders", "tier:high"))
    rows.close()
    with ExitStack() as stack:
        stack.callback(postgres_server.drop, airflow)
        stack.callback(postgres_server.drop, journal)
        yield Site(tmp_path_factory.mktemp("pair"), journal, airflow, stack)


@pytest.fixture
def site(pair: Site) -> Site:
    """Both run, and one of them is active."""
    for replica in pair.replicas:
        if replica.program.process.poll() is not None:
            replica.start()
        answers(f"http://127.0.0.1:{replica.port}/healthz", within=180)
    eventually(lambda: sum(one.shows for one in pair.replicas) == 1, within=30)
    return pair


def test_the_other_follows_a_dead_one_and_one_that_is_stopped_at_once(site: Site) -> None:
    leader = site.leader
    heir = site.other(leader)
    leader.program.process.kill()
    killed = time.monotonic()
    eventually(lambda: heir.shows, within=TAKEN_OVER, every=0.1)
    assert time.monotonic() - killed > LIFE / 3, "not before the dead one's lease has run out"
    leader.start()
    answers(f"http://127.0.0.1:{leader.port}/healthz", within=180)
    assert heir.program.stop() == 0
    eventually(lambda: leader.shows, within=TAKEN_OVER, every=0.1)


@pytest.mark.reliability
def test_a_frozen_one_that_wakes_up_serves_nothing_of_the_platform(site: Site) -> None:
    leader = site.leader
    heir = site.other(leader)
    leader.program.process.send_signal(signal.SIGSTOP)
    eventually(lambda: heir.shows, within=TAKEN_OVER, every=0.1)
    leader.program.process.send_signal(signal.SIGCONT)
    answered = 0
    until = time.monotonic() + 2 * LIFE
    while time.monotonic() < until:
        page = leader.page()
        assert 'cluster="east"' not in page
        answered += bool(page)
    assert answered > 10
    assert heir.shows


def test_without_the_journal_it_serves_as_long_as_its_lease_and_goes_on_after(site: Site) -> None:
    leader = site.leader
    heir = site.other(leader)
    for replica in site.replicas:
        replica.proxy.freeze()
    lost = time.monotonic()
    shown = [time.monotonic() for _ in iter(lambda: leader.shows, False)]
    assert shown[-1] - lost <= LIFE, "not beyond its lease"
    assert not heir.shows
    heir.proxy.thaw()
    eventually(lambda: heir.shows, within=TAKEN_OVER, every=0.1)
    assert not leader.shows
    leader.proxy.thaw()
    assert not leader.shows
