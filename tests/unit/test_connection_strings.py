"""What is said of a connection string that cannot be used never holds a piece of it."""

from __future__ import annotations

import psycopg
import pytest

from airwarden.adapters.connection_strings import connection_error, libpq_dsn, same_database
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.adapters.session_ender import PostgresSessionEnder
from airwarden.cli.doctor.database import probe_observer
from airwarden.core.errors import AirwardenError

UNUSABLE = (
    "postgresqll://u:s3cret-word@127.0.0.1:1/airflow",
    "u:s3cret-word@127.0.0.1:1/airflow",
    "postgresql://u:s3cret-word%zz@127.0.0.1:1/airflow",
    "postgresql://u:x@s3cret-word@127.0.0.1:1/airflow",
    "postgresql://u:s3cret-word/x@127.0.0.1:1/airflow",
    "host=127.0.0.1 port=1 user=u password=x s3cret-word",
    "host=127.0.0.1 port=s3cret-word user=u",
)


@pytest.mark.parametrize("dsn", UNUSABLE)
def test_no_message_repeats_a_piece_of_it(dsn: str) -> None:
    with pytest.raises(AirwardenError) as ending:
        PostgresSessionEnder(dsn).open()
    database = PostgresMetadata(dsn, connections=1)
    try:
        with pytest.raises(AirwardenError) as reading:
            database.probe()
    finally:
        database.close()
    (finding,) = probe_observer("database", dsn, (), timeout=2)
    for text in (str(ending.value), str(reading.value), finding.sentence):
        assert "s3cret-word" not in text
        assert "connection" in text


def test_what_the_server_says_is_passed_on() -> None:
    refused = psycopg.OperationalError("connection failed: Connection refused\nmore")
    assert connection_error(refused) == "connection failed: Connection refused"
    assert "permission denied" in connection_error(
        psycopg.errors.InsufficientPrivilege("permission denied for table job")
    )


def test_airflows_own_address_of_its_database_is_taken() -> None:
    assert libpq_dsn("postgresql+psycopg2://u@h/airflow") == "postgresql://u@h/airflow"
    assert libpq_dsn("host=h password=a+b://c") == "host=h password=a+b://c"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("postgresql+psycopg://a:x@db:5432/airflow", "postgresql://b:y@DB/airflow", True),
        ("postgresql://a@127.0.0.1/airflow", "host=localhost dbname=airflow user=b", True),
        ("postgresql://a@one,two:6000/airflow", "postgresql://b@two:6000/airflow", True),
        ("postgresql://a@db/airflow", "postgresql://a@db/airwarden", False),
        ("postgresql://a@db/airflow", "postgresql://a@db:6432/airflow", False),
        ("postgresql://a@db/airflow", "postgresql://a@other/airflow", False),
        ("postgresql://a@db/airflow", "no connection string", False),
    ],
)
def test_two_strings_that_name_one_database_are_known(one: str, other: str, same: bool) -> None:
    assert same_database(one, other) is same
    assert same_database(other, one) is same
