"""For every layer: what was left to `make reliability` is said, and no example is held to a wall clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import hypothesis
import pytest
import structlog

# An example's wall time says how busy the machine is; what a test promises of time it asserts itself.
hypothesis.settings.register_profile("airwarden", deadline=None)
hypothesis.settings.load_profile("airwarden")

# As the programs log (`airwarden.cli.logs`): plain tracebacks. The library's default paints every local
# variable of every frame, seconds of processor time for each exception that a test provokes.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)

_LEFT_OUT: Counter[str] = Counter()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count the tests that take minutes, by the function that they are cases of."""
    for item in items:
        if item.get_closest_marker("reliability"):
            _LEFT_OUT[item.nodeid.partition("[")[0]] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was left out, if anything was."""
    if not _LEFT_OUT:
        return
    total = sum(_LEFT_OUT.values())
    terminalreporter.section(f"left to `make reliability`: {total}")
    for name, count in sorted(_LEFT_OUT.items()):
        terminalreporter.line(f"{count:4}  {name}")
