"""`exporter.failures:`: how failed task attempts get their cause."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from airwarden.core.durations import Duration
from airwarden.core.failures import Cause
from airwarden.core.settings.base import SecretRef, Section

_CONDITIONS = ("exceptions", "codes", "events", "texts")


def _class_pattern(value: str) -> str:
    if not re.fullmatch(r"(?:[A-Za-z_]\w*\.)?[A-Za-z_*?][\w*?]*", value):
        raise ValueError(
            f"{value!r} is no pattern over exception classes: write Class, package.Class (the top package"
            " alone: requests.ConnectionError), with * and ?"
        )
    return value


def _code_pattern(value: str) -> str:
    if not re.fullmatch(r"(?:http|errno|sqlstate|aws|exit|signal):[A-Za-z0-9.*?\-]{1,64}", value):
        raise ValueError(
            f"{value!r} is no pattern over codes: write http:5??, errno:28, sqlstate:53*, aws:Throttl*,"
            " exit:137 or signal:9"
        )
    return value


ClassPattern = Annotated[str, Field(max_length=200), AfterValidator(_class_pattern)]
CodePattern = Annotated[str, Field(max_length=80), AfterValidator(_code_pattern)]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]
LogText = Annotated[str, Field(min_length=4, max_length=200)]


class FailureRule(Section):
    """Gives failed attempts a cause. All conditions of a rule must hold; of a list, one entry must."""

    cause: Cause
    """`infrastructure`, `dependency`, `dag_code`, `data` or `unknown`."""

    why: str = Field(min_length=3, max_length=200)
    """What it means, in words that `airwarden why` repeats."""

    exceptions: tuple[ClassPattern, ...] = ()
    """Exception classes, their base classes included: `LedgerClosed`, `requests.ConnectionError`."""

    codes: tuple[CodePattern, ...] = ()
    """Codes that come with an exception or a dead process: `http:503`, `exit:137`, `aws:Throttl*`."""

    operators: tuple[Pattern, ...] = ()
    """Only tasks of these operators, by class name: `*CheckOperator`."""

    packages: tuple[Pattern, ...] = ()
    """Only where the traceback ends in one of these top packages: `psycopg`."""

    events: tuple[Pattern, ...] = ()
    """Events of Airflow's audit log about the attempt: `heartbeat timeout`."""

    texts: tuple[LogText, ...] = ()
    """Parts of the last lines of its log; only where logs are read. Upper and lower case are alike."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any(getattr(self, name) for name in _CONDITIONS):
            raise ValueError(f"give at least one of {', '.join(_CONDITIONS)}")
        return self


class Failures(Section):
    """How failed task attempts get their one cause."""

    secrets: ClassVar[tuple[str, ...]] = ("token",)

    token: SecretRef | None = None
    """The bearer token that listeners on Airflow's side show; the file is read anew, so that a renewed one
    counts at once. None: that of `events`, or without one no reports are taken. Which one counts is
    decided at the start."""

    rules: tuple[FailureRule, ...] = Field(default=(), max_length=500)
    """Rules of yours; they win over the shipped ones (see the page on failure causes)."""

    logs: bool = True
    """Whether ends of task logs are read through Airflow's REST API, where no listener reported."""

    logs_per_minute: int = Field(default=30, ge=1, le=600)
    """Most logs that are read in a minute; Airflow's API server reads a whole log for each."""

    log_bytes: int = Field(default=4_194_304, ge=65_536, le=67_108_864)
    """Most bytes of one log; of a longer one nothing is known."""

    wait: Duration = timedelta(seconds=60)
    """How long a failed attempt waits for its evidence before it is counted without."""
