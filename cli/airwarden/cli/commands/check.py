"""`airwarden check`: validates settings, rules, generated files and playbooks, without acting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airwarden.cli.options import (
    DEFAULT,
    ConfigOption,
    OutputFormat,
    OutputOption,
    load_settings,
    located,
    read_text,
)
from airwarden.cli.printing import present
from airwarden.core.errors import WrongInputError

if TYPE_CHECKING:
    from airwarden.cli.checks.finding import Finding
    from airwarden.core.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(_check)


def _check(
    config: ConfigOption = DEFAULT,
    output: OutputOption = OutputFormat.TEXT,
    explain: Annotated[
        str, typer.Option(metavar="ALERT", help="Show what applies to this alert, and where.")
    ] = "",
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=VALUE", help="With --explain: for series with this label; repeatable."
        ),
    ] = None,
    alertmanager_config: Annotated[
        Path | None,
        typer.Option(
            help="Your alertmanager.yml: does all else go where it goes, with our part in it?"
        ),
    ] = None,
    merged: Annotated[
        Path | None, typer.Option(help="The same with our part in it already, as you merged it.")
    ] = None,
) -> None:
    """Validate the settings, the rules and playbooks made from them, and the generated files.

    Exit code 2 for wrong input, 1 when there are findings of severity error. With --explain it shows
    one alert instead: its thresholds in normal form, and which override applies where.
    """
    if explain or where:
        _explain(config, output, explain, where or [])
        return
    from airwarden.cli.checks.finding import Level

    if merged is not None and alertmanager_config is None:
        raise WrongInputError(
            "there is nothing to compare it with",
            place="--merged",
            hint="give the configuration without our part as --alertmanager-config",
        )
    settings = load_settings(config)
    with located(config):
        findings = [_placed(finding, config) for finding in _findings(settings)]
        if alertmanager_config is not None:
            from airwarden.cli.parts import check_alertmanager

            findings += check_alertmanager(settings, alertmanager_config, merged)
    errors = sum(finding.level is Level.ERROR for finding in findings)
    summary = f"{errors} error{'s' * (errors != 1)}, {len(findings) - errors} other findings"
    text = "\n".join([*map(str, findings), f"{config}: {summary}"])
    present([finding.as_json() for finding in findings], output, lambda: typer.echo(text))
    if errors:
        raise typer.Exit(1)


def _explain(config: Path, output: OutputFormat, alert: str, where: list[str]) -> None:
    from airwarden.cli.checks.explaining import applying, as_json, as_text

    settings = load_settings(config)
    with located(config):
        shown = applying(settings, alert, where)
    text = as_text(shown, lambda key: _place(key, config))
    present(as_json(shown), output, lambda: typer.echo(text))


def _place(key: str, config: Path) -> str:
    from airwarden.cli.checks.finding import Finding, Level

    return _placed(Finding(key, Level.INFO, ""), config).place


def _findings(settings: Settings) -> Iterator[Finding]:

    from airwarden.cli.checks.limits import check_limits
    from airwarden.cli.checks.playbooks import check_playbooks
    from airwarden.cli.checks.rules import check_rules
    from airwarden.cli.checks.settings import check_settings
    from airwarden.cli.checks.tools import check_generated
    from airwarden.cli.outputs import render_all
    from airwarden.cli.stated import check as check_stated

    files = render_all(settings)
    check_stated(settings)
    yield from check_settings(settings)
    yield from check_limits(settings)
    yield from check_rules(settings)
    yield from check_playbooks(settings)
    yield from check_generated(files)


def _placed(finding: Finding, config: Path) -> Finding:
    """Give a finding about a key the line where the key stands."""
    from dataclasses import replace

    from airwarden.core.settings.document import place_of

    place = place_of(read_text(config), str(config), finding.place)
    return replace(finding, place=place) if place else finding
