"""A PgBouncer of our own before a test's PostgreSQL, in transaction mode."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from pathlib import Path

import pytest

from support.eventually import eventually
from support.postgres import Database
from support.servers import Child, answers, free_port

#: A role that may look at the console, and nothing else.
STATS_USER = ("watcher-of-pools", "stats")


class PgBouncer:
    """Pools of one server connection for each database and role.

    Args:
        database: Where its server connections go.
        users: Roles of the server that may come through, with their passwords.
    """

    def __init__(self, database: Database, users: dict[str, str]) -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            pytest.fail("pgbouncer is missing: apt-get install pgbouncer")
        self.port = free_port()
        self._database = database
        self._folder = Path(tempfile.mkdtemp(prefix="airwarden-pgbouncer-"))
        listed = users | dict([STATS_USER])
        (self._folder / "users.txt").write_text(
            "".join(f'"{name}" "{password}"\n' for name, password in listed.items())
        )
        (self._folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={database.port}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {self._folder}/users.txt\n"
            f"pool_mode = transaction\ndefault_pool_size = 1\nstats_users = {STATS_USER[0]}\n"
        )
        user: list[str] = []
        if os.geteuid() == 0:  # PgBouncer refuses to run as root
            account = pwd.getpwnam("postgres")
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._child = Child(
            [*user, program, str(self._folder / "pgbouncer.ini")], self._folder / "server.log"
        )
        eventually(self._listens, within=15, what="PgBouncer listens")

    def _listens(self) -> bool:
        self._child.check()
        return answers(self.port)

    def dsn(self, user: str, password: str, *, database: str = "") -> str:
        """Return the libpq URL for a role that comes through it."""
        name = database or self._database.name
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{name}"

    @property
    def console(self) -> str:
        """The libpq URL of its console."""
        return self.dsn(*STATS_USER, database="pgbouncer")

    def stop(self) -> None:
        """End it and remove its folder."""
        self._child.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
