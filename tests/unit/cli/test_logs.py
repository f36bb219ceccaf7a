from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from airwarden.adapters.secrets import remember
from airwarden.cli import logs
from airwarden.cli.options import LogFormat, LogLevel


@contextmanager
def json_logs() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    logs.configure(LogFormat.JSON, LogLevel.INFO)
    try:
        yield
    finally:
        # Not what was there before: pytest's own handlers last for one phase of one test.
        root.handlers[:] = []
        root.setLevel(level)
        structlog.reset_defaults()


def read(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_lines_carry_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    remember("hunter2-hunter2")
    with json_logs():
        log = structlog.get_logger("airwarden.test")
        log.info(
            "signed in with hunter2-hunter2", password="abc", more={"api_token": "abc", "n": 1}
        )
        log.warning("database", url="postgresql://user:pa55@host/db")
        logging.getLogger("library").warning("Authorization was %s", "hunter2-hunter2")
    written = read(capsys)
    assert [line["event"] for line in written] == [
        "signed in with ***",
        "database",
        "Authorization was ***",
    ]
    assert written[0]["password"] == "***"
    assert written[0]["more"] == {"api_token": "***", "n": 1}
    assert written[1]["url"] == "postgresql://***@host/db"


def test_a_traceback_is_cleaned_too(capsys: pytest.CaptureFixture[str]) -> None:
    remember("in-a-traceback")
    with json_logs():
        try:
            int("in-a-traceback")
        except ValueError:
            structlog.get_logger("airwarden.test").exception("failed")
    (line,) = read(capsys)
    assert "in-a-traceback" not in json.dumps(line)
    assert "literal for int() with base 10: '***'" in str(line["exception"])


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    with json_logs():
        structlog.get_logger("airwarden.test").debug("detail")
        logging.getLogger("httpx").info("a request")
    assert read(capsys) == []
