"""A streaming replica of a test's PostgreSQL server, whose replay a test may hold."""

from __future__ import annotations

from support.eventually import eventually
from support.postgres import Database, PostgresServer


class Replica(PostgresServer):
    """A hot standby with all databases of its primary.

    Args:
        primary: The server that it follows.
    """

    def __init__(self, primary: PostgresServer) -> None:
        self._primary = primary
        super().__init__()

    def of(self, database: Database) -> Database:
        """Return a database of the primary's as it stands here."""
        return Database(database.name, self.port)

    def hold(self) -> None:
        """Replay nothing from now on; what comes is kept."""
        self._maintenance.execute("SELECT pg_wal_replay_pause()")
        # It is only asked for until then: what is written meanwhile would be replayed, and nothing lag.
        eventually(self._is_held, within=20, what="the replica's replay is paused")

    def _is_held(self) -> bool:
        ((state,),) = self._maintenance.execute("SELECT pg_get_wal_replay_pause_state()")
        return bool(state == "paused")

    def go_on(self) -> None:
        """Replay again, what was kept first."""
        self._maintenance.execute("SELECT pg_wal_replay_resume()")

    def _initdb(self) -> None:
        self._run(
            "pg_basebackup", "-D", str(self._data), "--checkpoint=fast", "--no-sync", "-R",
            "-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "postgres",
        )  # fmt: skip
