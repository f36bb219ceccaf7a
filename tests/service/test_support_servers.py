"""The fixtures themselves: every test starts from a clean copy."""

from __future__ import annotations

import pytest
import redis

from support.postgres import FreshDatabase
from support.redis import RedisServer


@pytest.mark.parametrize("attempt", [1, 2])
def test_each_database_copy_has_airflows_schema_and_nothing_of_the_test_before(
    fresh_database: FreshDatabase, attempt: int
) -> None:
    database = fresh_database(template="airflow")

    assert database.execute("SELECT version_num FROM alembic_version")
    assert database.execute("SELECT count(*) FROM job") == [(0,)]
    database.execute(
        "INSERT INTO job (job_type, state, hostname) VALUES ('SchedulerJob', 'running', %s)",
        f"host{attempt}",
    )
    assert database.execute("SELECT hostname FROM job") == [(f"host{attempt}",)]


def test_an_empty_database_has_no_tables(fresh_database: FreshDatabase) -> None:
    tables = fresh_database().execute(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    )
    assert tables == [(0,)]


@pytest.mark.parametrize("attempt", [1, 2])
def test_redis_is_empty_at_each_start(redis_server: RedisServer, attempt: int) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.dbsize() == 0
        client.set("left over", attempt)
