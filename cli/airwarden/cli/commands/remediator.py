"""`airwarden remediator`: takes alerts and runs playbooks."""

from __future__ import annotations

import typer

from airwarden.cli.options import (
    DEFAULT,
    ConfigOption,
    LogFormat,
    LogFormatOption,
    LogLevel,
    LogLevelOption,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("remediator")(_remediator)


def _remediator(
    config: ConfigOption = DEFAULT,
    log_format: LogFormatOption = LogFormat.AUTO,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Take alerts, run playbooks, and serve the API, /metrics, /healthz and /readyz.

    SIGHUP and POST /-/reload read the settings again; bad ones keep the old ones in force and show
    as airwarden_config_reload_success 0. What a remedy may do is in remediator.mode.
    """
    from airwarden.cli.remediating import RemediatorProgram
    from airwarden.cli.running import run

    run(config, log_format, log_level, RemediatorProgram, listens_at="remediator.listen")
