"""Options that several commands share, and the settings file they lead to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airwarden.core.errors import WrongInputError

if TYPE_CHECKING:
    from airwarden.core.settings import Settings

DEFAULT = Path("airwarden.yaml")

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="AIRWARDEN_CONFIG", help="The settings file."),
]


class OutputFormat(StrEnum):
    """How a command prints its result."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    OutputFormat,
    typer.Option("--output", "--format", help="For people, or for programs."),
]


class Part(StrEnum):
    """A part of what `airwarden build` writes."""

    RULES = "rules"
    SCRAPE = "scrape"
    ALERTMANAGER = "alertmanager"
    ALERTMANAGER_SUBTREE = "alertmanager-subtree"
    RUNBOOKS = "runbooks"
    DASHBOARDS = "dashboards"
    KUBERNETES = "kubernetes"


class RuleFormat(StrEnum):
    """Who is to evaluate the rules: what stands around the same groups differs."""

    PROMETHEUS = "prometheus"
    OPERATOR = "operator"
    MIMIR = "mimir"
    CORTEX = "cortex"
    THANOS = "thanos"
    VICTORIAMETRICS = "victoriametrics"


class LogFormat(StrEnum):
    """How log lines look; `auto` is console on a terminal and JSON elsewhere."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least important line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


LogFormatOption = Annotated[LogFormat, typer.Option("--log-format", help="How log lines look.")]
LogLevelOption = Annotated[LogLevel, typer.Option("--log-level", help="Least level to write.")]


def load_settings(path: Path, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file, overridden by `AIRWARDEN_…` variables.

    Args:
        path: The file.
        environ: Environment variables; the process's own by default.

    Raises:
        WrongInputError: The file is missing, unreadable or wrong.
    """
    from airwarden.core.settings import parse

    return parse(
        read_text(path, hint="write one with airwarden init, or name another with --config"),
        source=str(path),
        environ=os.environ if environ is None else environ,
        base=path.resolve().parent,
    )


@contextmanager
def located(path: Path) -> Iterator[None]:
    """Give errors about a key of the settings the file and line where the key stands.

    For what only shows when the settings are used: a threshold that does not fit its alert.
    """
    try:
        yield
    except WrongInputError as error:
        from airwarden.core.settings.document import place_of

        place = place_of(read_text(path), str(path), error.place) if path.exists() else None
        if place is None:
            raise
        raise WrongInputError(error.message, place=place, hint=error.hint) from None


def read_text(path: Path, *, hint: str = "") -> str:
    """Read a file that the operator named.

    Args:
        path: The file.
        hint: What to do where there is none.

    Raises:
        WrongInputError: It is missing, unreadable or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WrongInputError("there is no such file", place=str(path), hint=hint) from None
    except UnicodeDecodeError as error:
        raise WrongInputError(f"is not UTF-8 text: {error.reason}", place=str(path)) from None
    except OSError as error:
        raise WrongInputError(f"cannot be read: {error.strerror}", place=str(path)) from None
