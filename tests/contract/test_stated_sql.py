"""An operator's SELECT on a real PostgreSQL: one statement, read-only, bounded, within its deadline."""

from __future__ import annotations

import pytest

from airwarden.adapters.stated_sql import PostgresStatements
from airwarden.core.errors import RejectedError, UnavailableError
from support.postgres import Database, FreshDatabase


@pytest.fixture
def warehouse(fresh_database: FreshDatabase) -> Database:
    database = fresh_database()
    database.execute("CREATE TABLE orders (product text, amount numeric)")
    database.execute("INSERT INTO orders SELECT 'p' || n % 3, n FROM generate_series(1, 9) AS n")
    return database


def test_rows_come_as_they_are_and_no_more_than_asked_for(warehouse: Database) -> None:
    statements = PostgresStatements(warehouse.dsn)
    rows = statements.rows(
        "SELECT product, sum(amount) AS value -- 100 % of them\nFROM orders GROUP BY 1 ORDER BY 1;",
        limit=2,
    )
    assert [(row["product"], int(row["value"])) for row in rows] == [("p0", 18), ("p1", 12)]
    with_cte = "WITH o AS (SELECT amount FROM orders) SELECT max(amount) AS value FROM o"
    assert int(statements.rows(with_cte, limit=10)[0]["value"]) == 9


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders RETURNING product",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
        "SELECT 1) AS x; DROP TABLE orders; --",
        "SELECT 1) AS x; COMMIT; DROP TABLE orders; SELECT (1",
        "SELECT nextval('numbers')",
        "SELECT * FROM orders FOR UPDATE",
        "SELECT nothing FROM nowhere",
    ],
)
def test_a_statement_that_would_change_anything_is_refused(
    warehouse: Database, statement: str
) -> None:
    warehouse.execute("CREATE SEQUENCE numbers")
    with pytest.raises(RejectedError):
        PostgresStatements(warehouse.dsn).rows(statement, limit=10)
    assert warehouse.execute("SELECT count(*) FROM orders") == [(9,)]


def test_a_slow_statement_ends_at_its_deadline(warehouse: Database) -> None:
    with pytest.raises(UnavailableError, match="statement timeout"):
        PostgresStatements(warehouse.dsn, timeout=0.2).rows("SELECT pg_sleep(30)", limit=1)
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = 'active'"
    assert warehouse.execute(f"{asleep} AND pid <> pg_backend_pid()") == [(0,)]


def test_a_database_that_is_not_there_is_unavailable_and_its_password_is_not_told(
    warehouse: Database,
) -> None:
    dsn = warehouse.dsn_as("nobody", "hunter2-secret")
    with pytest.raises(UnavailableError) as caught:
        PostgresStatements(dsn).rows("SELECT 1", limit=1)
    assert "hunter2" not in str(caught.value)
