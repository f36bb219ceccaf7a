"""The `MariaDb` contract: a real server and the fake; then what only the real one can show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airwarden.adapters.fakes import FakeMariaDb
from airwarden.adapters.mariadb import MariaDbServer
from airwarden.core.errors import RejectedError, UnavailableError, WrongInputError
from airwarden.core.ports import MariaDb
from support.eventually import eventually
from support.mariadb import MariaDbServerProcess

reliability = pytest.mark.reliability


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDbServerProcess]:
    server = MariaDbServerProcess()
    yield server
    server.stop()


@pytest.fixture(params=["fake", pytest.param("real", marks=reliability)])
def mariadb(request: pytest.FixtureRequest) -> Iterator[MariaDb]:
    if request.param == "fake":
        yield FakeMariaDb()
        return
    real = MariaDbServer(request.getfixturevalue("server").dsn)
    yield real
    real.close()


def test_a_server_at_rest(mariadb: MariaDb) -> None:
    state = mariadb.state()
    assert 1 <= state.running <= state.connected <= state.connections_max
    assert (state.oldest_transaction, state.lock_waits, state.deadlocks) == (0, 0, 0)
    assert state.queries >= 1
    assert (state.replicating, state.replication_lag) == (None, None)


@reliability
def test_an_open_transaction_and_who_waits_for_it(server: MariaDbServerProcess) -> None:
    real = MariaDbServer(server.dsn)
    before = real.state()
    with server.session() as holder, server.session() as waiter:
        assert holder.stdin is not None
        assert waiter.stdin is not None
        holder.stdin.write("BEGIN; UPDATE d.t SET b = 2;\n")
        holder.stdin.flush()
        eventually(lambda: real.state().oldest_transaction >= 1, within=20)
        waiter.stdin.write("UPDATE d.t SET b = 3;\n")
        waiter.stdin.flush()
        eventually(lambda: real.state().lock_waits == 1, within=20)
        holder.stdin.close()
        waiter.stdin.close()
    eventually(lambda: real.state().lock_waits == 0, within=20)
    after = real.state()
    assert after.queries > before.queries
    assert after.pages_asked > before.pages_asked
    real.close()


@reliability
def test_refusals_and_silence(server: MariaDbServerProcess) -> None:
    wrong = MariaDbServer(server.dsn.replace(":w@", ":hunter2@"))
    with pytest.raises(RejectedError) as caught:
        wrong.state()
    assert "hunter2" not in str(caught.value)
    server.execute("CREATE USER 'blind'@'127.0.0.1' IDENTIFIED BY 'b'")
    blind = MariaDbServer(f"mysql://blind:b@127.0.0.1:{server.port}")
    with pytest.raises(RejectedError, match="PROCESS"):
        blind.state()
    real = MariaDbServer(server.dsn)
    real.state()
    server.child.stop()
    for _ in range(2):
        with pytest.raises(UnavailableError):
            real.state()
    real.close()


@pytest.mark.parametrize("dsn", ["postgresql://h/d", "mysql://u:s3cret@h:x", "s3cret", "mysql://"])
def test_an_address_that_is_none_is_told_without_its_password(dsn: str) -> None:
    with pytest.raises(WrongInputError) as caught:
        MariaDbServer(dsn)
    assert "s3cret" not in str(caught.value)
