"""Shares of counted events: how many, how many of them bad, and how sure one can be of it."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.durations import format_duration
from airwarden.rules.model import Context, RecordingRule
from airwarden.rules.promql import surely_above


def recordings(
    prefix: str, bad: str, total: str, over: timedelta, *, failed: str, ended: str
) -> tuple[RecordingRule, ...]:
    """Return the four series of a share.

    Args:
        prefix: Level and metric, as `cluster:airwarden_dag_runs`.
        bad, total: What is counted.
        over: The range of the counts.
        failed, ended: The words for the two counts.
    """
    span = format_duration(over)
    names = (f"{prefix}_{failed}:increase{span}", f"{prefix}_{ended}:increase{span}")
    return (
        RecordingRule(names[0], bad),
        RecordingRule(names[1], total),
        RecordingRule(f"{prefix}_{failed}:ratio_increase{span}", f"{names[0]} / {names[1]}"),
        RecordingRule(
            f"{prefix}_{failed}:ratio_low_increase{span}", surely_above(names[0], names[1])
        ),
    )


def breach(context: Context, ratio: str, low: str, total: str, by: str) -> str:
    """Return a share beyond the limit, of enough events to be sure of it.

    Args:
        context: The alert: its limit and its minimum.
        ratio, low, total: The share, its lower bound, and the number of events.
        by: The labels that the three have in common.
    """
    return (
        f"{ratio} {context.beyond}\n"
        f"and on ({by}) {total} >= {context.at_least}\n"
        f"and on ({by}) {low} {context.beyond}"
    )
