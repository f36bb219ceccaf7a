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
    load_settings,
    located,
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
    from airwarden.cli import lifecycle, logs
    from airwarden.cli.remediating import RemediatorProgram

    lifecycle.hold_hangups()
    logs.configure(log_format, log_level)
    with located(config):
        program = RemediatorProgram(lambda: load_settings(config))
    try:
        program.remediator.start()
        lifecycle.wait(reload=program.reload)
    finally:
        program.stop()
