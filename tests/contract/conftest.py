"""The real systems that contract tests hold the fakes against."""

from __future__ import annotations

import pytest

from support.airflow_api import airflow_api
from support.memory_path import memory_path
from support.postgres import fresh_database, postgres_server
from support.redis import own_redis, redis_server, session_redis

__all__ = [
    "airflow_api",
    "fresh_database",
    "memory_path",
    "own_redis",
    "postgres_server",
    "redis_server",
    "session_redis",
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each behaviour that was checked of a system which the same suite checks elsewhere too."""
    told = [
        f"{outcome:7}  {value}"
        for outcome in ("passed", "failed", "skipped")
        for report in terminalreporter.stats.get(outcome, ())
        for key, value in getattr(report, "user_properties", ())
        if key == "behaviour" and (outcome == "skipped" or report.when == "call")
    ]
    if told:
        terminalreporter.section(f"behaviours checked: {len(told)}")
        for line in sorted(told):
            terminalreporter.line(line)
