"""`airwarden backtest`: which pages these rules would have sent, by the platform's own history."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption, load_settings
from airwarden.cli.printing import present
from airwarden.core.errors import WrongInputError

if TYPE_CHECKING:
    from airwarden.cli.backtesting import Steps
    from airwarden.core.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(_backtest)


def _backtest(
    config: ConfigOption = DEFAULT,
    dsn: Annotated[
        str,
        typer.Option(
            envvar="AIRWARDEN_BACKTEST_DSN",
            help="Airflow's metadata database, by a role that may only read. Without it the"
            " cluster's own from the settings. The variable keeps it out of the process list.",
        ),
    ] = "",
    cluster: Annotated[
        str, typer.Option(help="Which platform of the settings; the first one by default.")
    ] = "",
    days: Annotated[float, typer.Option(min=0.04, max=400, help="How far back.")] = 30,
    until: Annotated[
        str, typer.Option(help="Where the replay ends, ISO 8601, UTC by default; now if left out.")
    ] = "",
    step: Annotated[
        float, typer.Option(min=5, max=300, help="Seconds between evaluations of the rules.")
    ] = 30,
    prometheus: Annotated[
        str,
        typer.Option(
            help="URL of a Prometheus that has scraped the exporter, for what history does not tell."
            " One of `prometheus` in the settings is reached as that section says."
        ),
    ] = "",
    tries: Annotated[
        list[str] | None,
        typer.Option(
            "--try", help="Another threshold: 'dag_failure_rate=>3% for 5 minutes'. Repeatable."
        ),
    ] = None,
    incidents: Annotated[
        Path | None, typer.Option(help="YAML of what happened: which of it would have been told?")
    ] = None,
    budget: Annotated[
        float, typer.Option(min=0.1, help="Pages a week that are bearable, all alerts together.")
    ] = 14,
    grid: Annotated[
        bool, typer.Option(help="Whether to try limits and times around those in force.")
    ] = True,
    tasks: Annotated[
        bool, typer.Option(help="Whether to read task attempts as well as runs.")
    ] = True,
    playbooks: Annotated[
        bool,
        typer.Option("--playbooks", help="Name the playbook that each page would have started."),
    ] = False,
    output: OutputOption = OutputFormat.TEXT,
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one HTML file that needs nothing else.")
    ] = None,
    statement_timeout: Annotated[
        float, typer.Option(min=1, help="Seconds that the database lets one piece of reading run.")
    ] = 30,
) -> None:
    """Replay the platform's own history through the rules: which pages would there have been?

    Needs nothing but read access to Airflow's metadata database: no exporter, no Prometheus, no settings
    file. With one, its thresholds, teams and SLAs are those that are judged.
    """
    from rich.console import Console

    from airwarden.cli import backtest_tables, composition
    from airwarden.cli.backtesting import Backtest, Request, open_history, read_incidents
    from airwarden.rules.backtest.html import html as as_html

    settings = _settings(config)
    cluster = _cluster(settings, cluster)
    if html is not None and not html.parent.is_dir():  # said before the work, not after it
        raise WrongInputError("there is no such folder", place=str(html.parent))
    request = Request(
        cluster=cluster,
        until=_until(until, step),
        days=days,
        step=step,
        tries=tuple(_try(words) for words in tries or ()),
        incidents=read_incidents(incidents) if incidents else (),
        budget=budget,
        grid=grid,
        playbooks=playbooks,
        tasks=tasks,
    )
    history = open_history(settings, dsn, cluster, statement_timeout)
    series = composition.prometheus_range(settings, prometheus) if prometheus else None
    with _progress() as steps:
        backtest = Backtest(settings, request, history, series, steps)
        report = backtest.run()
    for warning in backtest.warnings:
        typer.echo(f"airwarden: {warning}", err=True)
    if html is not None:
        _write(html, as_html(report))
        typer.echo(f"airwarden: wrote {html}", err=True)
    present(
        backtest_tables.as_json(report), output, lambda: backtest_tables.show(report, Console())
    )


def _settings(config: Path) -> Settings:
    """Return the settings; without a file those that a platform starts with."""
    from airwarden.core.settings import Settings

    if config == DEFAULT and not config.exists():
        return Settings()
    return load_settings(config)


def _cluster(settings: Settings, name: str) -> str:
    known = [one.name for one in settings.clusters]
    if name and known and name not in known:
        raise WrongInputError(
            f"{name!r} is no cluster of the settings",
            place="--cluster",
            hint=f"one of {', '.join(known)}",
        )
    return name or (known[0] if known else "default")


def _until(text: str, step: float) -> float:
    import time
    from datetime import UTC, datetime

    if not text:
        return time.time() // step * step
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongInputError(
            f"{text!r} is no moment", place="--until", hint="for example 2026-01-05T14:00:00Z"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() // step * step


def _try(words: str) -> tuple[str, str]:
    name, sign, threshold = words.partition("=")
    if not sign or not name.strip():
        raise WrongInputError(
            f"{words!r}: expected ALERT=THRESHOLD",
            place="--try",
            hint="for example 'dag_failure_rate=>3% for 5 minutes'",
        )
    return name.strip(), threshold.strip()


@contextmanager
def _progress() -> Iterator[Steps]:
    """Show a bar a step on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda _text, _share: None
        return
    bars: dict[str, TaskID] = {}
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), console=console,
    ) as progress:  # fmt: skip

        def step(text: str, share: float) -> None:
            if text not in bars:
                bars[text] = progress.add_task(text, total=1.0)
            progress.update(bars[text], completed=share)

        yield step


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongInputError(f"cannot be written: {error.strerror}", place=str(path)) from None
