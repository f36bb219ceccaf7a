"""`airwarden maintenance`: a time in which alerts are taken and nothing is done."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from airwarden.cli.commands._operating import ClusterOption, ReasonOption, connect
from airwarden.cli.commands._windows import KEYS, show_windows
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present
from airwarden.core.errors import ConflictError


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Hands off while somebody works on the platform: alerts are taken, nothing is done.",
    )
    group.command("start")(_start)
    group.command("stop")(_stop)
    group.command("list")(_list)
    app.add_typer(group, name="maintenance")


def _start(
    lasts: Annotated[str, typer.Option("--for", help="How long from now: 30m, 2h.")],
    config: ConfigOption = DEFAULT,
    reason: ReasonOption = "",
    cluster: ClusterOption = "*",
    wait: Annotated[
        int,
        typer.Option(min=0, help="Seconds to wait for effects that are under way; then exit 1."),
    ] = 0,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Open a maintenance window from now on; it ends by itself.

    From the answer on no effect begins. One that is under way may still end: --wait waits for it, which
    is what a deployment pipeline wants before it begins.
    """
    operator = connect(config)
    body = {"for": lasts, "reason": reason, "cluster": cluster}
    begun = operator.post("maintenance", body)["begun"]
    show_windows(begun, output)
    if wait:
        _settle(operator, cluster, wait)


def _settle(operator: Any, cluster: str, seconds: int) -> None:
    import time

    end = time.monotonic() + seconds
    while True:
        flying = [
            one["target"]
            for one in operator.get("status")["in_flight"]
            if cluster in ("*", one["cluster"])
        ]
        if not flying:
            return
        if time.monotonic() >= end:
            raise ConflictError(f"after {seconds} s still under way: {', '.join(flying)}")
        time.sleep(0.5)


def _stop(
    config: ConfigOption = DEFAULT,
    cluster: ClusterOption = "*",
    number: Annotated[int, typer.Option("--id", min=0, help="Only the window of this number.")] = 0,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """End the open windows of a cluster (or those that are open everywhere) now, or one by its number.

    That none is open is no error: a pipeline may say so twice, or after the time has run out.
    """
    body = {"end": True, "cluster": cluster, "id": number}
    try:
        ended = connect(config).post("maintenance", body)["ended"]
    except ConflictError as error:
        said = str(error)
        present([], output, lambda: typer.echo(said))
        return
    text = "\n".join(f"maintenance {one['id']} is over" for one in ended)
    present(ended, output, lambda: typer.echo(text))


def _list(config: ConfigOption = DEFAULT, output: OutputOption = OutputFormat.TEXT) -> None:
    """List the maintenance windows that are open or will be."""
    found = connect(config).get("windows", kind=KEYS[0])["windows"]
    show_windows(found, output)
