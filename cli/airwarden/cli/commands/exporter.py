"""`airwarden exporter`: collects in the background and serves /metrics."""

from __future__ import annotations

from functools import partial

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
    app.command("exporter")(_exporter)


def _exporter(
    config: ConfigOption = DEFAULT,
    log_format: LogFormatOption = LogFormat.AUTO,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Collect in the background and serve /metrics, /healthz and /readyz.

    SIGHUP and POST /-/reload read the settings again; a bad file keeps the old ones in force and
    shows as airwarden_config_reload_success 0.
    """
    from airwarden.cli.exporting import ExporterProgram
    from airwarden.cli.running import run

    make = partial(ExporterProgram, own_process=True)
    run(config, log_format, log_level, make, listens_at="exporter.listen")
