"""The real systems that contract tests hold the fakes against."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.airflow_api import airflow_api
from support.kubernetes.contract import at
from support.memory_path import memory_path
from support.postgres import fresh_database, postgres_server
from support.redis import own_redis, redis_server, session_redis

__all__ = [
    "airflow_api",
    "at",
    "fresh_database",
    "memory_path",
    "own_redis",
    "postgres_server",
    "redis_server",
    "session_redis",
]


HERE = Path(__file__).parent
#: Files whose tests share Airflow's API server: its start costs more than all that they ask of it.
AT_AIRFLOW = (
    "test_airflow",
    "test_airflow_doors",
    "test_backfills",
    "test_lying_airflow",
    "test_measured_airflow",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Over several processes, keep together what shares a server."""
    for item in items:
        if item.path.is_relative_to(HERE):
            name = "airflow" if item.path.stem in AT_AIRFLOW else item.path.stem
            item.add_marker(pytest.mark.xdist_group(name))


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
