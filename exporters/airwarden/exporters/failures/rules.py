"""The shipped table of causes, and what must hold of any line of such a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from airwarden.core.failures import Cause, FailureRule
from airwarden.core.own_yaml import load_own


@lru_cache(maxsize=1)
def shipped() -> tuple[FailureRule, ...]:
    """Return the table that comes with Airwarden, in order."""
    text = (resources.files("airwarden.exporters.failures") / "rules.yaml").read_text("utf-8")
    return tuple(_rule(row) for row in load_own(text))


def _rule(row: Mapping[str, Any]) -> FailureRule:
    patterns: dict[str, Sequence[str]] = {
        key: tuple(value) for key, value in row.items() if key not in ("cause", "why")
    }
    return FailureRule(Cause(row["cause"]), row["why"], **patterns)  # type: ignore[arg-type]


def render_reference() -> str:
    """Return the reference page of the table in Markdown."""
    lines = [
        "# Failure causes",
        "",
        "How a failed task attempt gets its one cause (`airwarden_task_failures_total`, `airwarden why`)."
        " A site's own lines (`exporter.failures.rules`) come first, then this table; within a table what"
        " Airflow's audit log says goes before the code of a dead process, that before the exceptions (the"
        " outermost first, each by its codes, its class, its base classes, then what caused it), and those"
        " before the lines of a log. All conditions of a line must hold. An exception that no line knows is"
        " `dependency` if a system that the DAG declares by `depends:NAME` was down, `dag_code` if the DAG's"
        " own file raised it, and else `unknown`.",
        "",
        "`psycopg.OperationalError` means the class in that top package, `OperationalError` in any; a"
        " pattern may hold `*` and `?`. In a log a class may stand without its package: then its name"
        " alone counts.",
        "",
        "This page is generated from `exporters/airwarden/exporters/failures/rules.yaml`; a test compares"
        " them.",
        "",
        "| cause | meaning | looks for |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *(_row(rule) for rule in shipped())]) + "\n"


def _row(rule: FailureRule) -> str:
    conditions = [
        (name, getattr(rule, name))
        for name in ("events", "exceptions", "codes", "operators", "packages", "texts")
    ]
    looks = "; ".join(
        f"{name} " + ", ".join(f"`{pattern}`" for pattern in patterns)
        for name, patterns in conditions
        if patterns
    )
    return f"| {rule.cause.value} | {rule.why} | {looks} |"
