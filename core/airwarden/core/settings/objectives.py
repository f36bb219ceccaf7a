"""`objectives:`: what the platform promises over weeks, and how much of it may fail."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from airwarden.core.durations import Duration
from airwarden.core.settings.base import Section

ObjectiveName = Literal[
    "task-success",
    "dag-success",
    "sla-compliance",
    "freshness",
    "task-latency",
    "scheduling-latency",
    "platform-availability",
]


class Objective(Section):
    """Changes one objective, named by the key above it."""

    enabled: bool = True
    """Off leaves it out of the generated rules."""

    target: str | None = Field(default=None, pattern=r"^(?:[1-9]?\d)(?:\.\d{1,4})?%$")
    """The share of events that must be good (`99.9%`). None keeps the built-in one."""

    limit: Duration | None = None
    """For objectives on a time: up to what an event is good. For the two latencies it must be a bound
    of the histogram. None keeps the built-in one."""

    at_least: int | None = Field(default=None, ge=0)
    """With fewer events in a window, as many are assumed, all good beyond those that were counted; so
    that a few failures at night spend no month's budget. None keeps the built-in one."""
