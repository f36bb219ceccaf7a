"""`airwarden why`: why tasks failed, as far as it is known."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from airwarden.cli.commands._operating import settings_of
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present


class CauseName(StrEnum):
    """The causes, as an option takes them."""

    INFRASTRUCTURE = "infrastructure"
    DEPENDENCY = "dependency"
    DAG_CODE = "dag_code"
    DATA = "data"
    UNKNOWN = "unknown"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("why")(_why)


def _why(
    dag: Annotated[str, typer.Argument(help="A DAG's id; none: of all.")] = "",
    task: Annotated[str, typer.Argument(help="A task's id; none: of all its tasks.")] = "",
    config: ConfigOption = DEFAULT,
    cause: Annotated[
        CauseName | None, typer.Option("--cause", help="With this cause only.")
    ] = None,
    cluster: Annotated[str, typer.Option("--cluster", help="Of one cluster only.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=2000, help="At most so many.")] = 20,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """List the latest failed task attempts with their one cause and its evidence, the newest first.

    The exporter is asked; it remembers the latest 2,000 of a cluster since it was started.
    """
    from airwarden.cli.failure_list import ask, show

    wanted = {
        "dag": dag, "task": task, "cause": cause.value if cause else "", "cluster": cluster,
        "limit": str(limit),
    }  # fmt: skip
    failures = ask(settings_of(config), {name: value for name, value in wanted.items() if value})
    present(failures, output, lambda: show(failures, dag=dag))
