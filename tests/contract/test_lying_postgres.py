"""A real PostgreSQL, with a proxy before it, that is slow, fails, half-answers and lies: how each case ends.

A session sits idle in a transaction on the scheduler's lock, as the playbook `database-session` meets it. It is
ended once, by a role of its own; where that cannot be told it is read back, and where nothing can be read
nothing is done and a person is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.adapters.metadata_schemas import grants
from airwarden.adapters.session_ender import PostgresSessionEnder
from airwarden.remediation.decide.states import AttemptState
from support.eventually import eventually
from support.fakes import playbook
from support.lied_to import NEVER, Lie, LiedTo
from support.postgres import Database, FreshDatabase
from support.postgres_proxy import Fault, PostgresProxy, error

A = AttemptState
#: What only the statement holds that ends sessions, and only the one that reads them.
END, READ = "pg_terminate_backend", "pg_blocking_pids"
Session = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Scene:
    """What a case may spoil."""

    database: Database
    proxy: PostgresProxy
    leak: Session
    pid: int

    def alive(self) -> bool:
        """Whether the session that was there first still is."""
        there = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND application_name = 'leaky'"
        return bool(self.database.execute(there, self.pid))

    def hide(self) -> None:
        """The observing role loses its sight of what others do."""
        self.database.execute("REVOKE pg_monitor FROM reader")

    def go_on(self) -> None:
        """The session ends its transaction, as its owner may at any moment."""
        self.leak.rollback()


Arrange = Callable[[Scene], object]


def on(holding: str, fault: Fault, times: int = 1) -> Arrange:
    return lambda scene: scene.proxy.on(holding, fault, times=times)


def ended_meanwhile(scene: Scene) -> None:
    """Between the reading and the effect: then nobody is ended."""
    scene.proxy.on(END, Fault(before=scene.go_on))


AGAIN, ONCE = (A.NOT_DONE, A.CONFIRMED), (A.CONFIRMED,)
UNREAD = "cannot be read"
TIMEOUT = error("57014", "canceling statement due to statement timeout")
STARTING = error("57P03", "the database system is starting up", severity="FATAL")
RESET, SWALLOWED = Fault(reach=False, ends="reset"), Fault(reach=False)
WEB = Fault(reach=False, says=b"HTTP/1.1 400 Bad Request\r\n\r\n")
LIES: tuple[Lie[Scene], ...] = (
    Lie("nothing is wrong: a session sits on the lock", lambda _: None, quick=True),
    Lie("ended, reply reset", on(END, Fault(ends="reset"))),
    Lie("ended, reply cut in half", on(END, Fault(ends="half"))),
    Lie("ended, reply never comes", on(END, Fault(ends="never"))),
    Lie("not ended, request reset", on(END, RESET), AGAIN),
    Lie("not ended, request swallowed", on(END, SWALLOWED), AGAIN, quick=True),
    Lie("not ended, each time", on(END, RESET, 0), (A.NOT_DONE,) * 2, "did not happen 2 times"),
    Lie("the role may not", on(END, error("42501", "permission denied"), 0), (A.FAILED,), "lacks a right"),
    Lie("its owner went on in the meantime", ended_meanwhile, (A.FAILED,)),
    Lie("reading is too slow a few times", on(READ, TIMEOUT, 3)),
    Lie("reading is too slow for good", on(READ, TIMEOUT, 0), NEVER, UNREAD, quick=True),
    Lie("reading never ends", on(READ, SWALLOWED, 0), NEVER, UNREAD),
    Lie("reading is cut in half", on(READ, Fault(ends="half"), 0), NEVER, UNREAD),
    Lie("it is starting up for good", on(READ, STARTING, 0), NEVER, UNREAD),
    Lie("a web server", on(READ, WEB, 0), NEVER, UNREAD),
    Lie("it hides what others do", Scene.hide, NEVER, UNREAD, quick=True),
)  # fmt: skip


@pytest.fixture
def scene(fresh_database: FreshDatabase) -> Iterator[Scene]:
    database = fresh_database(template="airflow")
    for role in ("app", "ender", "reader"):
        database.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    database.execute("GRANT pg_signal_backend, pg_read_all_stats TO ender")
    database.execute(grants("reader"))
    proxy = PostgresProxy(database.port)
    leak = psycopg.connect(database.dsn_as("app", "app"), application_name="leaky")
    leak.execute("SELECT pg_advisory_xact_lock(2)")
    yield Scene(database, proxy, leak, leak.info.backend_pid)
    leak.close()
    proxy.close()
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('app', 'ender', 'reader')"
    eventually(lambda: not database.execute(end), within=10)
    for role in ("app", "ender", "reader"):
        database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")


@pytest.fixture
def bench(memory_path: Path, scene: Scene) -> Iterator[LiedTo]:
    there = replace(scene.database, port=scene.proxy.port)
    metadata = PostgresMetadata(
        there.dsn_as("reader", "reader"), statement_timeout=0.5, connect_timeout=0.5
    )
    metadata.open()
    ender = PostgresSessionEnder(there.dsn_as("ender", "ender"), deadline=0.5)
    ender.open()
    book = playbook(
        confirm={"check": "database-blocked", "times": 2, "every": "5s"},
        steps=[
            {
                "id": "holder",
                "action": "database.end_sessions",
                "with": {"which": "lock-holder", "idle_for": 0},
            }
        ],
        verify={"check": "database-free", "within": "60s", "stable": "20s"},
    )
    bench = LiedTo(memory_path, book, database=metadata, session_ender=ender)
    yield bench
    bench.close()
    ender.close()
    metadata.close()


def _lies() -> list[object]:
    marks = {True: (), False: (pytest.mark.reliability,)}
    return [pytest.param(lie, id=lie.name, marks=marks[lie.quick]) for lie in LIES]


@pytest.mark.parametrize("lie", _lies())
def test_the_session_is_ended_once_or_a_person_is_called(
    scene: Scene, bench: LiedTo, lie: Lie[Scene]
) -> None:
    lie.arrange(scene)
    bench.fire()
    bench.run(lie.seconds)
    bench.ends_as(lie)
    # What was told to end is gone; what was not told, or not any more what was seen, is there.
    assert scene.alive() is (A.CONFIRMED not in lie.attempts), bench.story()
    assert scene.proxy.count(END) <= 1
