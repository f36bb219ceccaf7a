"""What can happen to a journal under a running remediator, on either store."""

from __future__ import annotations

import resource
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.engine import make_url

from airwarden.remediation.journal.tables import metadata
from support.crashing import Order, Process
from support.eventually import eventually
from support.faulted import FAULTED
from support.outside import Outside
from support.postgres import Database, PostgresServer
from support.proxy import FreezableProxy

#: Seconds within which a page must have left.
PAGED_WITHIN = 60.0
ACTION = "process.restart"


class JournalFault(ABC):
    """One fault; made anew for each use.

    Args:
        folder: For what it needs.
        server: A PostgreSQL server that it may stop; None on SQLite.
    """

    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        self.folder = folder
        self.server = server

    def url(self) -> str:
        """Return the journal's URL."""
        return f"sqlite:///{self.folder / 'journal.db'}"

    @abstractmethod
    def begin(self, process: Process) -> None:
        """Let it happen to this process."""

    @abstractmethod
    def end(self, process: Process) -> None:
        """Mend it."""

    def close(self) -> None:  # noqa: B027 - most have taken nothing
        """Give back what it took."""


class _Pragma(JournalFault):
    pragma = ""
    mended = ""

    def begin(self, process: Process) -> None:
        assert process.order.pragma is not None
        process.order.pragma.write_text(self.pragma)

    def end(self, process: Process) -> None:
        assert process.order.pragma is not None
        process.order.pragma.write_text(self.mended)


class SqliteReadOnly(_Pragma):
    pragma, mended = "query_only=ON", "query_only=OFF"


class SqliteFull(_Pragma):
    """SQLite may add no page; what room there is in its pages is filled up first."""

    pragma, mended = "max_page_count=1", "max_page_count=1000000"

    def begin(self, process: Process) -> None:
        super().begin(process)
        # What is worked off leaves room again, until its traces have taken that too.
        sizes = (5_000, 500, 1, 1, 1)
        eventually(
            lambda: all(process.fire(filler=size) != 200 for size in sizes),
            within=60,
            what="it is full",
        )


class SqliteCannotWrite(JournalFault):
    """The kernel lets no file of the process grow or change beyond its first byte."""

    def begin(self, process: Process) -> None:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def end(self, process: Process) -> None:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)


class SqliteLocked(JournalFault):
    """Somebody holds the only write lock for ever."""

    def begin(self, process: Process) -> None:
        self._other = sqlite3.connect(self.folder / "journal.db", timeout=30)
        self._other.execute("BEGIN IMMEDIATE")

    def end(self, process: Process) -> None:
        self._other.close()


class SqliteMoved(JournalFault):
    def begin(self, process: Process) -> None:
        (self.folder / "journal.db").rename(self.folder / "away.db")

    def end(self, process: Process) -> None:
        (self.folder / "away.db").rename(self.folder / "journal.db")


class _Postgres(JournalFault):
    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        assert server is not None
        super().__init__(folder, server)
        self.owned = server
        self.database: Database = server.fresh()

    def url(self) -> str:
        return self.database.sqlalchemy_url

    def close(self) -> None:
        self.owned.drop(self.database)


class PostgresStopped(_Postgres):
    def begin(self, process: Process) -> None:
        self.owned.halt()

    def end(self, process: Process) -> None:
        self.owned.resume()


class PostgresReadOnly(_Postgres):
    """As after a failover to a standby that was not promoted."""

    def begin(self, process: Process) -> None:
        self.owned.configure("default_transaction_read_only", "on")

    def end(self, process: Process) -> None:
        self.owned.configure("default_transaction_read_only", "off")


class PostgresFull(_Postgres):
    """Every row that is written finds no room."""

    def begin(self, process: Process) -> None:
        self._trigger("RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'no space left';")
        for table in metadata.tables:
            self.database.execute(
                f'CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON "{table}"'
                " FOR EACH ROW EXECUTE FUNCTION no_room()"
            )

    def end(self, process: Process) -> None:
        self._trigger("RETURN NEW;")

    def _trigger(self, does: str) -> None:
        self.database.execute(
            "CREATE OR REPLACE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ BEGIN {does} END $$"
        )


class PostgresSilent(_Postgres):
    """The network swallows what is sent; nothing says so."""

    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        super().__init__(folder, server)
        self.proxy = FreezableProxy(self.database.port)

    def url(self) -> str:
        through = make_url(super().url()).set(port=self.proxy.port)
        return through.render_as_string(hide_password=False)

    def begin(self, process: Process) -> None:
        self.proxy.freeze()

    def end(self, process: Process) -> None:
        self.proxy.thaw()

    def close(self) -> None:
        self.proxy.close()
        super().close()


#: By name; those of PostgreSQL begin with its name.
JOURNAL_FAULTS: Mapping[str, type[JournalFault]] = {
    "SQLite read-only": SqliteReadOnly,
    "SQLite full": SqliteFull,
    "SQLite cannot write": SqliteCannotWrite,
    "SQLite file moved": SqliteMoved,
    "SQLite locked": SqliteLocked,
    "PostgreSQL stopped": PostgresStopped,
    "PostgreSQL read-only": PostgresReadOnly,
    "PostgreSQL full": PostgresFull,
    "PostgreSQL silent": PostgresSilent,
}


def page_without_journal(
    folder: Path, name: str, server: PostgresServer | None, *, alarm_after: float = 20.0
) -> float:
    """Take the journal away under a leader, and return after how many seconds a page left.

    Fails where an effect starts, where the page is late, or where it does not go on afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fault = JOURNAL_FAULTS[name](folder, server)
    outside = Outside()
    order = Order(
        folder, fault.url(), outside.address, ACTION, alarm_after=alarm_after,
        pragma=folder / "pragma",
    )  # fmt: skip
    process = Process(order)
    try:
        eventually(lambda: process.leads, within=30, what="it leads")
        FAULTED[ACTION].arrange(outside)
        fault.begin(process)
        began = time.monotonic()
        told = outside.told

        def paged() -> bool:
            # A sender repeats what got no answer.
            assert process.fire(within=2) != 200
            return "trigger" in told.actions()

        eventually(paged, within=PAGED_WITHIN, every=1, what="a page")
        took = told.times[0] - began
        assert "journal" in told.events[0].dedup_key
        assert outside.effects() == []
        fault.end(process)
        eventually(lambda: process.fire() == 200, within=60, what="deliveries are taken again")
        eventually(lambda: process.states() == ["RESOLVED"], within=90, every=0.2, what="healed")
        assert len(outside.effects()) == 1
        eventually(lambda: len(_of_journal(outside)) == 2, within=30, what="the page is resolved")
        assert _of_journal(outside) == ["trigger", "resolve"]
        return took
    finally:
        process.stop()
        fault.close()
        outside.close()


def _of_journal(outside: Outside) -> list[str]:
    return [one.action for one in outside.told.events if "journal" in one.dedup_key]
