"""A MariaDB server of our own on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.eventually import eventually
from support.servers import Child, answers, free_port

#: A role with what the exporter asks for, and its password.
WATCHER = ("watcher", "w")


class MariaDbServerProcess:
    """A server with an empty data folder; its socket and files are its own."""

    def __init__(self) -> None:
        program, installer, self._client = (
            shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
            for name in ("mariadbd", "mariadb-install-db", "mariadb")
        )
        if program is None or installer is None or self._client is None:
            pytest.skip("mariadb-server is not installed: apt-get install mariadb-server")
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="airwarden-mariadb-"))
        self._socket = self._folder / "s"
        user = ["--user=root"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [installer, "--no-defaults", f"--datadir={self._folder}/data", "--skip-test-db",
             "--auth-root-authentication-method=normal", *user],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        self.child = Child(
            [program, "--no-defaults", f"--datadir={self._folder}/data", f"--socket={self._socket}",
             f"--port={self.port}", "--bind-address=127.0.0.1", "--max-connections=20",
             "--innodb-buffer-pool-size=16M", *user],
            self._folder / "server.log",
        )  # fmt: skip
        eventually(self._listens, within=60, what="MariaDB listens")
        name, password = WATCHER
        self.execute(
            f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{password}';"
            f"GRANT PROCESS, REPLICA MONITOR ON *.* TO '{name}'@'127.0.0.1';"
            "CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY, b INT) ENGINE=InnoDB;"
            "INSERT INTO d.t VALUES (1, 1)"
        )

    def _listens(self) -> bool:
        self.child.check()
        return self._socket.exists() and answers(self.port)

    @property
    def dsn(self) -> str:
        """The address for the watching role."""
        return f"mysql://{WATCHER[0]}:{WATCHER[1]}@127.0.0.1:{self.port}"

    def execute(self, statements: str) -> None:
        """Run statements as root."""
        with self.session() as session:
            session.communicate(statements, timeout=30)
            assert session.returncode == 0

    def session(self) -> subprocess.Popen[str]:
        """Return a client of root's that takes statements on its input until it is closed."""
        return subprocess.Popen(
            [str(self._client), "--no-defaults", f"--socket={self._socket}", "--user=root", "-n"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.child.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
