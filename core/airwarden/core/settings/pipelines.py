"""`dependencies:`, `slas:` and `teams:`: what pipelines rely on, promise, and whose they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from airwarden.core.durations import Duration
from airwarden.core.settings.base import HttpUrl, SecretRef, Section

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
#: All of them, Monday first.
EVERY_DAY: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def known_zone(value: str) -> str:
    """Return the name of a time zone; raises ValueError for one that is none."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone: write for example Europe/Paris") from None
    return value


class DependencyProbe(Section):
    """How to ask whether a dependency answers: one of `http` and `tcp`."""

    http: HttpUrl | None = None
    """An address that answers when healthy. Any status below 500 counts: even a 404 proves that the
    service works."""

    tcp: str | None = None
    """`HOST:PORT` that accepts a connection when healthy."""

    expect: int = Field(default=0, ge=0, le=599)
    """With `http`: the only status that counts as healthy; 0 for any below 500."""

    timeout: Duration = timedelta(seconds=2)
    """Deadline of one probe."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.http is None) == (self.tcp is None):
            raise ValueError("give exactly one of http and tcp")
        if self.tcp is not None:
            host, _, port = self.tcp.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise ValueError(f"tcp: {self.tcp!r} is not HOST:PORT")
        return self


class Dependency(Section):
    """An external system that DAGs rely on; when it is down its breaker holds new starts."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Also the value of the DAG tag `depends:NAME` that marks its users."""

    cluster: str | None = None
    """Which cluster's DAGs use it. None: the only one."""

    probe: DependencyProbe | None = None
    """How to ask it; without a probe only failures of its users tell."""

    pools: tuple[str, ...] = ()
    """Airflow pools whose slots stand for calls to it; the breaker lowers them."""

    tags: tuple[str, ...] = ()
    """DAG tags that mark its users, beside `depends:NAME`."""

    floor: int = Field(default=1, ge=1)
    """Slots that stay open for the canary while the breaker is open; at least one, because a
    pool of zero would hide that the dependency is back."""


class Sla(Section):
    """A promise about data: how old an asset may be, or how late a DAG may end."""

    asset: str | None = None
    """Name or URI of an Airflow asset."""

    dag: str | None = None
    """A `dag_id`, where the promise is about its last successful run."""

    cluster: str | None = None
    """Which cluster it lives in. None: the only one."""

    target: Duration
    """Greatest age of the last update."""

    timezone: Annotated[str, AfterValidator(known_zone)] = "UTC"
    """IANA time zone in which `expected_days` are counted."""

    expected_days: tuple[Weekday, ...] = EVERY_DAY
    """Days on which an update is due; on other days its age does not grow."""

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.asset is None) == (self.dag is None):
            raise ValueError("give exactly one of asset and dag")
        return self


class Team(Section):
    """Where a team hears of its alerts."""

    secrets: ClassVar[tuple[str, ...]] = ("pagerduty_key",)

    slack_channel: str | None = None
    """Its Slack channel; the default channel of `notifications.slack` where it has none."""

    pagerduty_key: SecretRef | None = None
    """Routing key of its PagerDuty service; the common one where it has none."""

    active_time_intervals: tuple[str, ...] = ()
    """Names of `time_intervals` in which it is told of warnings in chat; always if none is given. Pages are
    never held back. With one of these two, those of `notifications.slack` are not asked."""

    mute_time_intervals: tuple[str, ...] = ()
    """Names of `time_intervals` in which it is not."""
